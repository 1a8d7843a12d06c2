"""A program of a shop, with a client for Python that openapi-python-client made.

Usage: shop.py ADDRESS EMAIL PASSWORD

Signs in, lists the products, orders one piece of the first one, and then more pieces than there are.
"""

import json
import sys
import uuid

from tenantry_client import AuthenticatedClient, Client
from tenantry_client.api.auth import sign_in
from tenantry_client.api.catalogue import list_products
from tenantry_client.api.orders import place_order
from tenantry_client.models import (
    Login,
    Order,
    PlaceLine,
    PlaceOrder,
    Problem,
    ProblemCode,
    ProductKind,
    ProductPage,
    SignedIn,
)

address, email, password = sys.argv[1:]
signed_in = sign_in.sync(
    client=Client(base_url=address), body=Login(email=email, password=password, app="inventory")
)
assert isinstance(signed_in, SignedIn), signed_in
client = AuthenticatedClient(base_url=address, token=signed_in.access_token)


def order(variant_id, quantity):
    line = PlaceLine(variant_id=variant_id, quantity=quantity)
    body = PlaceOrder(lines=[line])
    return place_order.sync(client=client, body=body, idempotency_key=str(uuid.uuid4()))


products = list_products.sync(client=client, kind=ProductKind.GOODS, limit=10)
assert isinstance(products, ProductPage), products
variant = products.data[0].variants[0]
placed = order(variant.id, "1")
assert isinstance(placed, Order), placed
refused = order(variant.id, "1000")
assert isinstance(refused, Problem) and refused.code == ProblemCode.INSUFFICIENT_STOCK, refused
shortage = refused.shortages[0]
print(
    json.dumps(
        {
            "products": len(products.data),
            "order": placed.status,
            "total": placed.total,
            "requested": shortage.requested,
            "available": shortage.available,
        }
    )
)
