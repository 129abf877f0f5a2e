// A Go server that receives Latchkey's webhooks and believes only what Latchkey signed.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const largest = 64 * 1024

type event struct {
	Type string `json:"type"`
	Data struct {
		User struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"data"`
}

type receiver struct {
	webhook *standardwebhooks.Webhook
	seen    sync.Map // in a real application: a table, and the work in the same transaction
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, largest))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	// Over the bytes as they came: JSON that was parsed and written again has another signature.
	var found event
	if r.webhook.Verify(body, request.Header) != nil || json.Unmarshal(body, &found) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	// A delivery may arrive more than once, always under the same identifier.
	if _, known := r.seen.LoadOrStore(request.Header.Get("webhook-id"), true); !known {
		fmt.Println(found.Type, found.Data.User.ID)
	}
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal("WEBHOOK_SECRET: ", err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", &receiver{webhook: webhook})
	server := &http.Server{
		Addr:              "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "8000"),
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
