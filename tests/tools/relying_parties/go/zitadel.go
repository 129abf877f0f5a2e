package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// expected is the key of the nonce in the context of a login. A refreshed ID token has none (OpenID Connect Core 12.2).
type expected struct{}

// zitadel logs in by the relying party of zitadel/oidc; then it introspects, refreshes, revokes and logs out.
func zitadel(ctx context.Context) (map[string]any, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	nonce := rand.Text()
	party, err := rp.NewRelyingPartyOIDC(
		ctx, issuer, clientID, clientSecret, fmt.Sprintf("http://%s/callback", listener.Addr()),
		[]string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeOfflineAccess},
		rp.WithVerifierOpts(rp.WithNonce(nonceOf)),
	)
	if err != nil {
		return nil, err
	}
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	challenge := rp.WithCodeChallenge(oauth2.S256ChallengeFromVerifier(verifier))
	answer := opened(listener, rp.AuthURL(state, party, challenge, rp.AuthURLOpt(rp.WithURLParam("nonce", nonce))))
	if answer.Get("state") != state {
		return nil, errors.New("the answer is not for this login")
	}
	during := context.WithValue(ctx, expected{}, nonce)
	tokens, err := rp.CodeExchange[*oidc.IDTokenClaims](during, answer.Get("code"), party, rp.WithCodeVerifier(verifier))
	if err != nil {
		return nil, err
	}
	subject := tokens.IDTokenClaims.Subject
	user, err := rp.Userinfo[*oidc.UserInfo](ctx, tokens.AccessToken, tokens.TokenType, subject, party)
	if err != nil {
		return nil, err
	}
	refreshed, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
	if err != nil {
		return nil, err
	}
	server, err := rs.NewResourceServerClientCredentials(ctx, issuer, clientID, clientSecret)
	if err != nil {
		return nil, err
	}
	before, err := rs.Introspect[*oidc.IntrospectionResponse](ctx, server, refreshed.AccessToken)
	if err != nil {
		return nil, err
	}
	if err := rp.RevokeToken(ctx, party, refreshed.RefreshToken, "refresh_token"); err != nil {
		return nil, err
	}
	after, err := rs.Introspect[*oidc.IntrospectionResponse](ctx, server, refreshed.AccessToken)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"name": user.PreferredUsername, "before": before.Active, "after": after.Active,
		"refreshed": refreshed.AccessToken != tokens.AccessToken, "introspected": before.Subject == subject,
	}, nil
}

func nonceOf(ctx context.Context) string {
	nonce, _ := ctx.Value(expected{}).(string)
	return nonce
}
