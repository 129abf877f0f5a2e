// Logs in to Latchkey, with a second factor if the account has one, and exports what Latchkey holds of the user.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	latchkey = strings.TrimRight(cmp.Or(os.Getenv("LATCHKEY_URL"), "http://localhost:5000"), "/")
	client   = http.Client{Timeout: 30 * time.Second}
	typed    = bufio.NewScanner(os.Stdin)
	digits   = regexp.MustCompile(`^[0-9]+$`)
)

// A reply, whatever its status: Code says what went wrong, Message is for people.
type reply struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Methods []string `json:"methods"`
	Login   login    `json:"login"`
	Data    struct {
		AccessToken string `json:"access_token"`
	} `json:"data"`
	text []byte
}

type login struct {
	Token   string   `json:"token"`
	Next    string   `json:"next"`
	Methods []string `json:"methods"`
}

type body map[string]string

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 3 && os.Args[1] == "login":
		fmt.Println(logIn(os.Args[2]))
	case len(os.Args) == 2 && os.Args[1] == "export":
		fmt.Println(export(os.Getenv("ACCESS_TOKEN")))
	default:
		log.Fatal("usage: login NAME | ACCESS_TOKEN=... export")
	}
}

// logIn returns an access token.
func logIn(name string) string {
	answer := firstFactor(name)
	for answer.Code == "second_factor_required" {
		var begun bool
		if answer, begun = secondFactor(answer.Login); !begun {
			answer = firstFactor(name)
		}
	}
	return answer.succeeded().Data.AccessToken
}

func firstFactor(name string) reply {
	return send("POST", "/auth/login", body{"login": name, "password": ask("Password")}, "")
}

// secondFactor returns the reply to a code that is right; false if the login has to begin again.
func secondFactor(begun login) (reply, bool) {
	for {
		method, code := codeFor(begun)
		answer := send("POST", "/auth/login/continue", body{"login_token": begun.Token, "method": method, "code": code}, "")
		switch answer.Code {
		case "invalid_code": // the same login, for up to five codes
			log.Print(answer.Message)
		case "invalid_login_token": // too many of them, too late, or the password was changed
			log.Print(answer.Message)
			return answer, false
		default:
			return answer, true
		}
	}
}

// codeFor returns the method of a code that the user types, and the code. A newer Latchkey may name steps and methods
// that are unknown here.
func codeFor(begun login) (method, code string) {
	known := slices.Contains(begun.Methods, "totp") || slices.Contains(begun.Methods, "recovery_code")
	if begun.Next != "second_factor" || !known {
		log.Fatalf("This login needs what this program does not have: %s by %v.", begun.Next, begun.Methods)
	}
	code = ask("Code of your authenticator app, or recovery code")
	if digits.MatchString(code) {
		return "totp", code
	}
	return "recovery_code", code
}

// export returns all that Latchkey holds of the user, as JSON.
func export(token string) string {
	answer := send("GET", "/auth/me/export", nil, token)
	for answer.Code == "reauthentication_required" {
		token = authenticateAgain(token, answer.Methods)
		answer = send("GET", "/auth/me/export", nil, token)
	}
	return string(answer.succeeded().text)
}

// authenticateAgain returns an access token of the same session that says that its user is still there; the old one
// gains nothing.
func authenticateAgain(token string, methods []string) string {
	for {
		var proof body
		switch {
		case slices.Contains(methods, "totp"):
			proof = body{"method": "totp", "code": ask("Code of your authenticator app")}
		case slices.Contains(methods, "password"):
			proof = body{"password": ask("Password")}
		default:
			log.Fatalf("This needs what this program does not have: %v.", methods)
		}
		answer := send("POST", "/auth/reauthenticate", proof, token)
		if answer.Code != "invalid_code" && answer.Code != "wrong_password" {
			return answer.succeeded().Data.AccessToken
		}
		log.Print(answer.Message)
	}
}

func send(method, path string, content body, token string) reply {
	var sent io.Reader
	if content != nil {
		encoded, err := json.Marshal(content)
		require(err)
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, latchkey+path, sent)
	require(err)
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	require(err)
	defer response.Body.Close()
	var answer reply
	answer.text, err = io.ReadAll(response.Body)
	require(err)
	if response.StatusCode != http.StatusOK || path != "/auth/me/export" { // the export has fields of its own
		require(json.Unmarshal(answer.text, &answer))
	}
	return answer
}

// succeeded returns the reply, if it is no failure; among others too_many_requests ends the program here.
func (answer reply) succeeded() reply {
	if answer.Code != "" {
		log.Fatalf("%s: %s", answer.Code, answer.Message)
	}
	return answer
}

// ask returns a line that the user types.
func ask(what string) string {
	fmt.Fprintf(os.Stderr, "%s: ", what)
	if !typed.Scan() {
		log.Fatal("There is no more input.")
	}
	return typed.Text()
}

func require(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
