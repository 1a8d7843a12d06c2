// A program of a shop, with a client for Go that openapi-generator made.
//
// Usage: shop ADDRESS EMAIL PASSWORD
//
// Signs in, lists the products, orders one piece of the first one, and then more pieces than there are.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"

	"tenantry"
)

func main() {
	address, email, password := os.Args[1], os.Args[2], os.Args[3]
	api, ctx := connect(address), context.Background()

	login := tenantry.NewLogin(password)
	login.SetEmail(email)
	login.SetApp("inventory")
	signedIn, _, err := api.AuthAPI.SignIn(ctx).Login(*login).Execute()
	must(err)
	ctx = context.WithValue(ctx, tenantry.ContextAccessToken, signedIn.GetAccessToken())

	products, _, err := api.CatalogueAPI.ListProducts(ctx).Kind(tenantry.PRODUCTKIND_GOODS).Limit(10).Execute()
	must(err)
	variant := products.Data[0].Variants[0]
	order := func(quantity string) (*tenantry.Order, error) {
		line := tenantry.NewPlaceLine(quantity)
		line.SetVariantId(variant.Id)
		body := tenantry.NewPlaceOrder([]tenantry.PlaceLine{*line})
		placed, _, err := api.OrdersAPI.PlaceOrder(ctx).IdempotencyKey(rand.Text()).PlaceOrder(*body).Execute()
		return placed, err
	}
	placed, err := order("1")
	must(err)
	_, err = order("1000")
	var refused *tenantry.GenericOpenAPIError
	if !errors.As(err, &refused) {
		log.Fatalf("the order was not refused: %v", err)
	}
	problem, isProblem := refused.Model().(tenantry.Problem)
	if !isProblem || problem.Code != tenantry.PROBLEMCODE_INSUFFICIENT_STOCK {
		log.Fatalf("the order was refused for another reason: %s", refused.Body())
	}
	shortage := problem.Shortages[0]
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"products":  len(products.Data),
		"order":     placed.Status,
		"total":     placed.Total,
		"requested": shortage.Requested,
		"available": shortage.Available,
	}))
}

// connect makes a client. In the tests, the hosts of all businesses are this machine.
func connect(address string) *tenantry.APIClient {
	at, err := url.Parse(address)
	must(err)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", at.Port()))
	}
	settings := tenantry.NewConfiguration()
	settings.Servers = tenantry.ServerConfigurations{{URL: address}}
	settings.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: dial}}
	return tenantry.NewAPIClient(settings)
}

func must(err error) {
	var refused *tenantry.GenericOpenAPIError
	if errors.As(err, &refused) {
		err = fmt.Errorf("%w: %s", err, refused.Body())
	}
	if err != nil {
		log.Fatal(err)
	}
}
