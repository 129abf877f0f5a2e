// A Go application that checks Latchkey's access tokens by its published keys, without asking it.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

type accessClaims struct {
	jwt.RegisteredClaims
	Roles []string `json:"roles"`
}

func main() {
	issuer := strings.TrimRight(os.Getenv("LATCHKEY_URL"), "/")
	audience := cmp.Or(os.Getenv("AUDIENCE"), issuer)
	verify, err := verifier(context.Background(), issuer, audience)
	if err != nil {
		log.Fatalf("LATCHKEY_URL: %v", err)
	}

	http.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		claims := authenticate(w, r, verify)
		if claims == nil {
			return
		}
		reply(w, http.StatusOK, map[string]any{"subject": claims.Subject, "roles": claims.Roles})
	})
	server := &http.Server{Addr: "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "8000"), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// verifier fetches the keys and returns a function that gives the claims of an access token (RFC 9068), or an error for
// anything else. The keys are fetched again every 5 minutes, like their max-age, and for a token with an unknown key at
// most every 10 seconds; while Latchkey is down, the cached ones stay in use.
func verifier(ctx context.Context, issuer, audience string) (func(token string) (*accessClaims, error), error) {
	startWithoutKeys := false
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{issuer + "/.well-known/jwks.json"}, keyfunc.Override{
		HTTPTimeout:               5 * time.Second,
		NoErrorReturnFirstHTTPReq: &startWithoutKeys,
		RateLimitWaitMax:          5 * time.Second,
		RefreshInterval:           5 * time.Minute,
		RefreshUnknownKID:         rate.NewLimiter(rate.Every(10*time.Second), 1),
	})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(30*time.Second),
		jwt.WithStrictDecoding(),
	)
	return func(text string) (*accessClaims, error) {
		claims := &accessClaims{}
		token, err := parser.ParseWithClaims(text, claims, keys.Keyfunc)
		if err != nil {
			return nil, err
		}
		if token.Header["typ"] != "at+jwt" || claims.Subject == "" {
			return nil, errors.New("not an access token")
		}
		return claims, nil
	}, nil
}

// authenticate returns the claims of the request's access token; without a valid token it answers 401 and returns nil.
func authenticate(w http.ResponseWriter, r *http.Request, verify func(string) (*accessClaims, error)) *accessClaims {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		reply(w, http.StatusUnauthorized, map[string]any{"error": "missing_token"})
		return nil
	}
	claims, err := verify(token)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return nil
	}
	return claims
}

func reply(w http.ResponseWriter, status int, content map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(content); err != nil {
		log.Print(err)
	}
}
