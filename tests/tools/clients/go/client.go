// What an application does with the client that oapi-codegen makes; tests/e2e/test_generated_clients.py.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"

	"latchkey.example/client/latchkey"
)

func main() {
	url, username, password := os.Args[1], os.Args[2], os.Args[3]
	ctx := context.Background()
	client, err := latchkey.NewClientWithResponses(url)
	must(err)

	registered, err := client.RegisterWithResponse(ctx, latchkey.Register{Username: &username, Password: password})
	must(err)
	check(registered.JSON201 != nil, registered.Body)

	opened, err := client.LoginWithResponse(ctx, latchkey.Login{Login: &username, Password: password})
	must(err)
	check(opened.JSON200 != nil, opened.Body)
	tokens := opened.JSON200.Data

	bearer := latchkey.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		return nil
	})
	caller, err := latchkey.NewClientWithResponses(url, bearer) // on every request, the refresh as well
	must(err)

	me, err := caller.GetMeWithResponse(ctx)
	must(err)
	check(me.JSON200 != nil, me.Body)
	check(me.JSON200.Data.User.Id == registered.JSON201.Data.User.Id, me.Body)

	renewed, err := caller.RefreshWithResponse(ctx, latchkey.Refresh{RefreshToken: &tokens.RefreshToken})
	must(err)
	check(renewed.JSON200 != nil && renewed.JSON200.Data.RefreshToken != tokens.RefreshToken, renewed.Body)

	made, err := caller.CreateProductWithResponse(ctx, latchkey.CreateProduct{Name: "Lamp", Price: 1234567.89})
	must(err)
	check(made.JSON201 != nil, made.Body)
	var price float64 = made.JSON201.Data.Product.Price

	refused, err := client.LoginWithResponse(ctx, latchkey.Login{Login: &username, Password: "not the password"})
	must(err)
	check(refused.JSON401 != nil, refused.Body)
	check(refused.JSON401.Code == latchkey.InvalidCredentials, refused.Body)

	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"user": me.JSON200.Data.User.Id, "price": price, "code": refused.JSON401.Code, "help": refused.JSON401.Help,
	}))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func check(holds bool, reply []byte) {
	if !holds {
		log.Fatalf("not as expected: %s", reply)
	}
}
