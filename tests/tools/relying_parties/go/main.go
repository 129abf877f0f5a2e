// A client of the authorization server by the packages that Go programs use for it, as they are:
//
//	relying-party login | device | service | zitadel
//
// It reads LATCHKEY_URL, CLIENT_ID and CLIENT_SECRET (empty for a public client), prints the address that the user has to
// open, and at the end, as JSON in a line, what it got.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

var (
	issuer       = os.Getenv("LATCHKEY_URL")
	clientID     = os.Getenv("CLIENT_ID")
	clientSecret = os.Getenv("CLIENT_SECRET")
)

func main() {
	ways := map[string]func(context.Context) (map[string]any, error){
		"login": login, "device": device, "service": service, "zitadel": zitadel,
	}
	got, err := ways[os.Args[1]](context.Background())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(got)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// login logs its user in with a browser, as a program on a desktop does: the answer comes to a port of its own.
func login(ctx context.Context) (map[string]any, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	redirectURL := fmt.Sprintf("http://%s/callback", listener.Addr())

	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	config := oauth2.Config{
		ClientID:     clientID,
		ClientSecret: clientSecret, // empty for a public client
		Endpoint:     provider.Endpoint(),
		RedirectURL:  redirectURL,
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	address := config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))

	answer := opened(listener, address)
	if answer.Get("state") != state || answer.Get("iss") != issuer {
		return nil, errors.New("the answer is not for this login")
	}
	if refused := answer.Get("error"); refused != "" {
		return nil, errors.New(refused)
	}
	code := answer.Get("code")

	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	rawIDToken, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: clientID}).Verify(ctx, rawIDToken)
	if err != nil {
		return nil, err
	}
	if idToken.Nonce != nonce {
		return nil, errors.New("the ID token is not for this login")
	}
	if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
		return nil, err
	}

	got, err := aboutUser(ctx, provider, config, token)
	if err != nil {
		return nil, err
	}
	if got["subject"] != idToken.Subject {
		return nil, errors.New("userinfo is of somebody else")
	}
	// A code is good once: the second use ends what the first one opened.
	_, again := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	got["again"] = errorCode(again)
	return got, nil
}

// device asks for a login on another device, and polls until its user has answered there.
func device(ctx context.Context) (map[string]any, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	config := oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, Endpoint: provider.Endpoint(),
		Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess},
	}
	asked, err := config.DeviceAuth(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Println(asked.VerificationURIComplete)
	fmt.Println(asked.UserCode)
	token, err := config.DeviceAccessToken(ctx, asked)
	if err != nil {
		return map[string]any{"error": errorCode(err)}, nil
	}
	return aboutUser(ctx, provider, config, token)
}

// service asks for a token of its own.
func service(ctx context.Context) (map[string]any, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	config := clientcredentials.Config{
		ClientID: clientID, ClientSecret: clientSecret, TokenURL: provider.Endpoint().TokenURL,
	}
	token, err := config.Token(ctx)
	if err != nil {
		return map[string]any{"error": errorCode(err)}, nil
	}
	return map[string]any{"access_token": token.AccessToken, "type": token.Type()}, nil
}

// opened lets the user open an address, and gives what the browser brings back from there.
func opened(listener net.Listener, address string) url.Values {
	answers := make(chan url.Values, 1)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "<!doctype html><title>Back</title>")
		answers <- r.URL.Query()
	}))
	fmt.Println(address)
	return <-answers
}

// aboutUser gives what userinfo says, before and after the tokens were refreshed.
func aboutUser(ctx context.Context, provider *oidc.Provider, config oauth2.Config, token *oauth2.Token) (map[string]any, error) {
	user, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
	if err != nil {
		return nil, err
	}
	var claims struct {
		Name string `json:"preferred_username"`
	}
	if err := user.Claims(&claims); err != nil {
		return nil, err
	}
	// A token source refreshes when there is no access token that is good for another 10 seconds.
	source := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken})
	refreshed, err := source.Token()
	if err != nil {
		return nil, err
	}
	later, err := provider.UserInfo(ctx, source)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"subject": user.Subject, "name": claims.Name, "email": user.Email, "email_verified": user.EmailVerified,
		"refreshed": refreshed.AccessToken != token.AccessToken && refreshed.RefreshToken != token.RefreshToken,
		"same_user": later.Subject == user.Subject, "access_token": refreshed.AccessToken,
	}, nil
}

// errorCode gives the RFC's name of an error that the token endpoint answered.
func errorCode(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return refused.ErrorCode
	}
	return fmt.Sprint(err)
}
