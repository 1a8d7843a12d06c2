#!/usr/bin/env python3
"""Replays a random month of trade over HTTP, and compares every figure of the dashboard and of the reports with
an independent model of the books (books.py).

    month.py --url http://127.0.0.1:8080 --host acme.localhost --token TOKEN

The month has 30 days. At the end of each day the program prints "end of day" and waits for a line of input. Until
then, every movement in the books must be made one day older.
"""

import argparse
import json
import random
import sys
import urllib.error
import urllib.request
import uuid
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from books import CENT, TINY, ZERO, Books, Line, cents, price, share

DAYS = 30
QUANTITIES = [Decimal(text) for text in ("0.125", "0.333", "1", "2", "3", "7", "12.5", "40")]
COSTS = ["0.0033", "0.37", "1", "2.5", "3.3333", "19.99"]
DISCOUNTS = [None, None, "10%", "2.5%", "33.33%", "0.05"]


def plain(number):
    text = format(number.normalize(), "f")
    return "0" if text == "-0" else text


class Refused(Exception):
    """The server refused a document, for a reason that the model expects."""


class Shop:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.orders, self.transfers, self.purchases, self.receipts = [], [], [], []

    # HTTP

    def call(self, method, path, body=None, allowed=()):
        headers = {"Host": self.options.host, "Authorization": "Bearer " + self.options.token}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers |= {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        request = urllib.request.Request(self.options.url + "/api/v1/" + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if problem["code"] in allowed:
                raise Refused(problem["code"]) from None
            sys.exit(f"{method} {path} {body}: {problem}")

    def post(self, path, body, allowed=()):
        return self.call("POST", path, body, allowed)

    # The shop

    def open(self):
        # Noon, so that no day ends during the run.
        offset = datetime.now(timezone.utc).hour - 12
        zone = f"Etc/GMT{offset:+d}" if offset else "Etc/GMT"
        self.call("PATCH", "settings", {"timeZone": zone})
        self.today = (datetime.now(timezone.utc) - timedelta(hours=offset)).date()
        self.seller = self.call("GET", "auth/me")["user"]["id"]
        main = self.call("GET", "locations")["data"][0]["id"]
        self.locations = [main, self.post("locations", {"name": "Shed"})["id"]]
        self.supplier = self.post("suppliers", {"name": "Bolts & Co"})["id"]
        self.customers = [None] + [self.post("customers", {"name": name})["id"] for name in ("Ann", "Bob")]
        taxes = [(None, None)]
        for name, percent, in_price in (("VAT", 16, True), ("Sales tax", 19, False)):
            rates = [{"name": name, "percent": str(percent)}]
            made = self.post("tax-classes", {"name": name, "inclusive": in_price, "rates": rates})
            taxes.append((made["id"], (Decimal(percent), in_price)))
        categories = [None, self.post("categories", {"name": "Fixings"})["id"]]
        catalogue = {}
        for number, list_price in enumerate(("0.03", "0.99", "3.33", "9.99", "24.90", "1249.95")):
            tax_id, tax = taxes[number % 3]
            cost = self.random.choice(COSTS)
            product = self.post("products", {
                "name": f"Product {number}", "quantityDecimals": 3, "taxClassId": tax_id,
                "categoryId": categories[number % 2],
                "variants": [{"sku": f"SKU-{number}", "price": list_price, "cost": cost}],
            })
            catalogue[product["variants"][0]["id"]] = {
                "price": Decimal(list_price), "cost": Decimal(cost), "tax": tax, "category": categories[number % 2],
                "product": product["id"], "rate": (None, "VAT 16%", "Sales tax 19%")[number % 3], "kind": "goods",
            }
        self.goods = list(catalogue)
        for kind, list_price, cost in (("service", "45", "12.5"), ("fee", "6.50", None)):
            product = self.post("products", {
                "name": kind, "kind": kind, "quantityDecimals": 3, "taxClassId": taxes[1][0],
                "variants": [{"sku": kind, "price": list_price, "cost": cost}],
            })
            catalogue[product["variants"][0]["id"]] = {
                "price": Decimal(list_price), "cost": Decimal(cost or 0), "tax": taxes[1][1], "category": None,
                "product": product["id"], "rate": "VAT 16%", "kind": kind,
            }
        self.books = Books(catalogue)
        self.variants = list(catalogue)

    def some(self):
        return self.random.choice(self.goods), self.random.choice(self.locations), self.random.choice(QUANTITIES)

    def part_of(self, quantity):
        if self.random.random() < 0.4:
            return quantity
        return Decimal(self.random.randint(1, int(quantity * 1000))) / 1000

    # A step each: the document goes to the server, and into the books.

    def buy(self):
        variant, location, quantity = self.some()
        cost = self.random.choice(COSTS)
        lines = [{"variantId": variant, "quantity": plain(quantity * 10), "unitCost": cost}]
        order = self.post("purchase-orders", {"supplierId": self.supplier, "locationId": location, "lines": lines})
        self.post(f"purchase-orders/{order['id']}/send", {})
        line = order["lines"][0]["id"]
        self.purchases.append([order["id"], line, variant, location, quantity * 10, Decimal(cost)])
        self.receive()

    def receive(self):
        purchase = self.random.choice(self.purchases) if self.purchases else None
        if not purchase or not purchase[4]:
            return
        order, line, variant, location, left, cost = purchase
        quantity = self.part_of(left)
        lines = [{"lineId": line, "quantity": plain(quantity)}]
        receipt = self.post(f"purchase-orders/{order}/receipts", {"lines": lines})
        purchase[4] = left - quantity
        self.books.arrive("purchase", variant, location, quantity, quantity * cost)
        self.receipts.append((order, receipt["id"], variant, location, quantity, quantity * cost))

    def sell(self):
        location, at_once = self.random.choice(self.locations), self.random.random() < 0.6
        customer = self.random.choice(self.customers)
        asked = []
        for variant in self.random.sample(self.variants, self.random.randint(1, 3)):
            quantity = self.random.choice(QUANTITIES)
            discount = self.random.choice(DISCOUNTS)
            of = self.books.catalogue[variant]
            if discount and not discount.endswith("%") and cents(quantity * of["price"]) < Decimal(discount):
                discount = None
            asked.append((variant, quantity, discount, price(quantity, of["price"], discount, of["tax"])))
        lines = [
            {"variantId": variant, "quantity": plain(quantity)} | ({"discount": discount} if discount else {})
            for variant, quantity, discount, _ in asked
        ]
        body = {"locationId": location, "fulfil": at_once, "customerId": customer, "lines": lines}
        has_enough = all(self.books.available(variant, location) >= quantity for variant, quantity, *_ in asked)
        try:
            order = self.post("orders", body, () if has_enough else ("insufficient_stock",))
        except Refused:
            return
        assert has_enough, f"sold more than is there: {body}"
        due = sum(money["total"] for *_, money in asked)
        assert Decimal(order["total"]) == due, f"the order is due {order['total']}, not {due}: {body}"
        document = {"id": order["id"], "location": location, "customer": customer, "paid": ZERO, "lines": []}
        for (variant, quantity, _, money), stored in zip(asked, order["lines"]):
            line = Line(variant, quantity, quantity, dict(money))
            document["lines"].append((stored["id"], line))
            if at_once:
                self.fulfil_line(document, line, quantity, is_reserved=False)
            else:
                self.books.reserve(variant, location, quantity)
        self.orders.append(document)

    def fulfil_line(self, order, line, quantity, is_reserved=True, location=None):
        location = location or order["location"]
        value = self.books.cost_of_sale(line.variant, location, quantity)
        if is_reserved:
            self.books.reserve(line.variant, order["location"], -quantity)
        money = line.fulfil(quantity, value)
        self.books.move("sale", line.variant, location, -quantity, -value, order=order["id"],
                        customer=order["customer"], total=money["total"], tax=money["tax"],
                        discount=money["discount"])

    def fulfil(self):
        order = self.random.choice(self.orders) if self.orders else None
        parts = [(id, line, self.part_of(line.open)) for id, line in order["lines"] if line.open] if order else []
        if not parts:
            return
        lines = [{"lineId": id, "quantity": plain(quantity)} for id, _, quantity in parts]
        location = self.random.choice(self.locations)
        needed = {}
        for _, line, quantity in parts:
            needed[line.variant] = needed.get(line.variant, ZERO) + quantity
        if any(self.books.available(variant, location) < quantity for variant, quantity in needed.items()):
            location = order["location"]
        self.post(f"orders/{order['id']}/fulfil", {"locationId": location, "lines": lines})
        for _, line, quantity in parts:
            self.fulfil_line(order, line, quantity, location=location)

    def cancel(self):
        order = self.random.choice(self.orders) if self.orders else None
        if order and any(line.open for _, line in order["lines"]):
            self.post(f"orders/{order['id']}/cancel", {})
            for _, line in order["lines"]:
                self.books.reserve(line.variant, order["location"], -line.cancel())

    def take_back(self):
        order = self.random.choice(self.orders) if self.orders else None
        parts = [(id, line, self.part_of(line.out), self.random.random() < 0.7)
                 for id, line in order["lines"] if line.out] if order else []
        if not parts:
            return
        lines = [{"lineId": id, "quantity": plain(quantity), "restock": restock} for id, _, quantity, restock in parts]
        location = self.random.choice(self.locations)
        body = {"locationId": location, "reason": "returned", "lines": lines}
        answer = self.post(f"orders/{order['id']}/returns", body)
        refund = ZERO
        for _, line, quantity, restock in parts:
            money, cost = line.take_back(quantity)
            refund += money["total"]
            more = {"order": order["id"], "customer": order["customer"], "refunded": money["total"],
                    "tax": -money["tax"], "reason": "returned"}
            if restock and self.books.has_stock(line.variant):
                self.books.arrive("return", line.variant, location, quantity, cost, **more)
            else:
                self.books.move("return", line.variant, location, quantity, cost, **more)
                if self.books.has_stock(line.variant):
                    self.books.move("adjustment", line.variant, location, -quantity, -cost, reason="returned")
        assert Decimal(answer["refund"]) == refund, f"refunded {answer['refund']}, not {refund}"

    def refund(self):
        """Gives an amount back without goods, of one line."""
        order = self.random.choice(self.orders) if self.orders else None
        lines = [(id, line) for id, line in order["lines"] if line.out_money["total"] > 0] if order else []
        if not lines:
            return
        id, line = self.random.choice(lines)
        out = line.out_money["total"]
        amount = min(out, self.random.choice((Decimal("0.01"), Decimal("0.5"), Decimal("7.77"), out)))
        body = {"reason": "scratched", "lines": [{"lineId": id, "amount": plain(amount)}]}
        self.post(f"orders/{order['id']}/refunds", body)
        tax = line.refund(amount)
        self.books.move("refund", line.variant, order["location"], ZERO, ZERO, order=order["id"],
                        customer=order["customer"], refunded=amount, tax=-tax)

    def pay(self):
        """Pays a part of what is due, or pays back what was paid too much."""
        order = self.random.choice(self.orders) if self.orders else None
        if not order or not self.due(order):
            return
        balance = self.due(order)
        amount = balance if balance < 0 else self.random.choice((balance, max(cents(balance / 3), CENT)))
        told = self.post(f"orders/{order['id']}/payments", {"method": "cash", "amount": plain(amount)})
        order["paid"] += amount
        left = Decimal(told["order"]["balance"])
        assert left == self.due(order), f"{left} is left to pay, not {self.due(order)}"

    def due(self, order):
        """What is left to pay: the money of what is open and of what is out, less the payments."""
        owed = sum((line.open_money["total"] + line.out_money["total"] for _, line in order["lines"]), ZERO)
        return owed - order["paid"]

    def check_orders(self):
        faults = []
        for order in self.orders:
            shown = self.call("GET", f"orders/{order['id']}")
            due = self.due(order)
            if due < 0:
                status = "overpaid"
            elif due == 0:
                status = "paid"
            else:
                status = "partly_paid" if order["paid"] else "unpaid"
            is_ = (Decimal(shown["balance"]), Decimal(shown["paid"]), shown["paymentStatus"])
            if is_ != (due, order["paid"], status):
                faults.append(f"order {order['id']}: {is_}, not {(due, order['paid'], status)}")
        return faults

    def adjust(self):
        variant, location, quantity = self.some()
        reason, is_loss = self.random.choice(("damaged", "found")), self.random.random() < 0.5
        body = {"variantId": variant, "locationId": location, "reason": reason}
        if is_loss:
            if self.books.available(variant, location) < quantity:
                return
            self.post("stock/adjustments", body | {"quantity": plain(-quantity)})
            self.books.leave("adjustment", variant, location, quantity, reason=reason)
            return
        cost = self.random.choice(COSTS + [None])
        self.post("stock/adjustments", body | {"quantity": plain(quantity)} | ({"unitCost": cost} if cost else {}))
        value = quantity * Decimal(cost) if cost else None
        self.books.arrive("adjustment", variant, location, quantity, value, reason=reason)

    def send(self):
        variant, source, quantity = self.some()
        target = next(location for location in self.locations if location != source)
        if self.books.available(variant, source) < quantity:
            return
        lines = [{"variantId": variant, "quantity": plain(quantity)}]
        sent = self.post("stock/transfers", {"fromLocationId": source, "toLocationId": target, "lines": lines})
        value = self.books.leave("transfer", variant, source, quantity)
        self.transfers.append([sent["id"], sent["lines"][0]["id"], variant, source, target, quantity, value])

    def end_transfer(self):
        transfer = self.random.choice(self.transfers) if self.transfers else None
        if not transfer or not transfer[5]:
            return
        id, line, variant, source, target, left, value = transfer
        step = self.random.choice(("receive", "receive", "receive", "send-back", "write-off"))
        quantity = left if step == "send-back" else self.part_of(left)
        part = share(value, quantity, left, TINY)
        lines = [{"lineId": line, "quantity": plain(quantity)}]
        if step == "send-back":
            self.post(f"stock/transfers/{id}/send-back", {})
            self.books.arrive("transfer", variant, source, quantity, part)
        elif step == "write-off":
            self.post(f"stock/transfers/{id}/write-off", {"lines": lines, "reason": "lost"})
            self.books.move("transfer", variant, source, quantity, part)
            self.books.move("adjustment", variant, source, -quantity, -part, reason="lost")
        else:
            self.post(f"stock/transfers/{id}/receive", {"lines": lines})
            self.books.arrive("transfer", variant, target, quantity, part)
        transfer[5:] = [left - quantity, value - part]

    def count(self):
        variant, location, found = self.some()
        level = self.books.levels[variant, location]
        count = self.post("stock/counts", {"locationId": location})["id"]
        found = max(found, level.reserved)
        self.post(f"stock/counts/{count}/lines", {"lines": [{"variantId": variant, "counted": plain(found)}]})
        self.post(f"stock/counts/{count}/post", {})
        change = found - level.on_hand
        if change > 0:
            self.books.arrive("count", variant, location, change)
        elif change < 0:
            self.books.leave("count", variant, location, -change)

    def trade(self):
        steps = [self.buy, self.receive, self.sell, self.sell, self.sell, self.fulfil, self.fulfil, self.cancel,
                 self.take_back, self.take_back, self.refund, self.pay, self.pay, self.adjust, self.send,
                 self.end_transfer, self.count]
        for day in range(DAYS):
            self.books.day = day
            for _ in range(self.random.randint(8, 16)):
                self.random.choice(steps)()
            if day < DAYS - 1:
                print("end of day", flush=True)
                sys.stdin.readline()

    # What the server shows, against the books

    def date_of(self, day):
        return str(self.today - timedelta(days=DAYS - 1 - day))

    def compare(self, what, shown, expected, members, money):
        """Compares rows: their keys, their quantities, and their amounts. Amounts of a row may be a cent off, because
        rows add up to the total."""
        faults = []
        rows = {(row["kind"], row["reason"]) if "kind" in row else row["key"]: row for row in shown["data"]}
        wanted = {key: sums for key, sums in expected.items() if key != "total"}
        if rows.keys() != wanted.keys():
            faults.append(f"{what}: rows {sorted(map(str, rows))}, not {sorted(map(str, wanted))}")
        for key, row in [("total", shown["total"])] + [(key, rows[key]) for key in rows.keys() & wanted.keys()]:
            sums = expected[key]
            for name in members:
                if Decimal(row[name]) != sums[name]:
                    faults.append(f"{what} {key}: {name} is {row[name]}, not {sums[name]}")
            for name in money:
                is_off = abs(Decimal(row[name]) - sums[name]) >= Decimal("0.01")
                if is_off or (key == "total" and Decimal(row[name]) != cents(sums[name])):
                    faults.append(f"{what} {key}: {name} is {row[name]}, not {sums[name]}")
        for name in money:
            added = sum((Decimal(row[name]) for row in rows.values()), ZERO)
            if added != Decimal(shown["total"][name]):
                faults.append(f"{what}: the rows add up to {added} of {name}, not {shown['total'][name]}")
        return faults

    def check(self):
        books, faults = self.books, []
        of = books.catalogue
        received = {variant for _, _, variant, *_ in self.receipts}
        for by, key in (
            ("day", lambda moved: self.date_of(moved.day)),
            ("week", lambda moved: "{}-W{:02}".format(*date.fromisoformat(self.date_of(moved.day)).isocalendar())),
            ("month", lambda moved: self.date_of(moved.day)[:7]),
            ("variant", lambda moved: moved.variant),
            ("product", lambda moved: of[moved.variant]["product"]),
            ("kind", lambda moved: of[moved.variant]["kind"]),
            ("supplier", lambda moved: self.supplier if moved.variant in received else None),
            ("taxRate", lambda moved: of[moved.variant]["rate"]),
            ("category", lambda moved: of[moved.variant]["category"]),
            ("customer", lambda moved: moved.customer),
            ("seller", lambda _: self.seller),
            ("location", lambda moved: moved.location),
        ):
            expected = books.sales(key)
            for sums in expected.values():
                sums["net"] = sums["total"] - sums["refunded"]
            members = ("orders", "sold", "returned", "discount", "total", "refunded", "net", "tax")
            shown = self.call("GET", f"reports/sales?by={by}")
            faults += self.compare(f"sales by {by}", shown, expected, members, ("cost",))
            for row in shown["data"] + [shown["total"]]:
                margin = Decimal(row["net"]) - Decimal(row["tax"]) - Decimal(row["cost"])
                if Decimal(row["margin"]) != margin:
                    faults.append(f"sales by {by}: the margin is {row['margin']}, not {margin}")
        shown = self.call("GET", "reports/adjustments")
        faults += self.compare("adjustments", shown, books.adjustments(), ("movements", "added", "removed"), ("value",))
        for by, key in (
            ("variant", lambda variant, _: variant),
            ("location", lambda _, location: location),
            ("category", lambda variant, _: of[variant]["category"]),
        ):
            shown = self.call("GET", f"reports/stock?by={by}")
            faults += self.compare(f"stock by {by}", shown, books.stock(key), ("onHand",), ("cost", "value"))
        faults += self.check_dashboard(shown)
        faults += self.check_orders()
        for day in range(DAYS):
            shown = self.call("GET", f"reports/stock?by=variant&on={self.date_of(day)}")
            expected = books.stock(lambda variant, _: variant, day)
            faults += self.compare(f"stock on day {day}", shown, expected, ("onHand",), ("cost", "value"))
        ledger = self.call("GET", "stock/ledger")
        if not ledger["holds"]:
            faults.append(f"the ledger does not hold: {ledger}")
        return faults

    def check_dashboard(self, stock):
        books, faults = self.books, []
        shown = self.call("GET", "dashboard")
        total = books.stock(lambda variant, _: variant)["total"]
        in_transit = [transfer for transfer in self.transfers if transfer[5]]
        value = sum((left * books.catalogue[variant]["price"] for _, _, variant, _, _, left, _ in in_transit), ZERO)
        figures = {
            "totalItems": (shown["totalItems"], Decimal(len(self.variants))),
            "totalStock": (shown["totalStock"], total["onHand"]),
            "inventoryCost": (shown["inventoryCost"], cents(total["cost"])),
            "inventoryValue": (shown["inventoryValue"], cents(total["value"])),
            "in transit": (shown["inTransit"]["quantity"], sum((transfer[5] for transfer in in_transit), ZERO)),
            "cost in transit": (shown["inTransit"]["cost"], cents(sum((transfer[6] for transfer in in_transit), ZERO))),
            "value in transit": (shown["inTransit"]["value"], cents(value)),
        }
        faults += [f"dashboard: {name} is {is_}, not {should}"
                   for name, (is_, should) in figures.items() if Decimal(is_) != should]
        if shown["inTransit"] != stock["inTransit"]:
            faults.append(f"dashboard: {shown['inTransit']}, the stock report: {stock['inTransit']}")
        sold = defaultdict(lambda: ZERO)
        days = defaultdict(lambda: defaultdict(lambda: ZERO))
        for moved in books.ledger:
            if moved.kind in ("sale", "return") and books.catalogue[moved.variant]["kind"] != "fee":
                sold[moved.variant] -= moved.quantity
            if moved.kind == "refund" or not books.has_stock(moved.variant):
                continue
            kind = {"purchase": "purchased", "sale": "sold", "return": "sold"}.get(moved.kind, "adjusted")
            days[self.date_of(moved.day)][kind] += -moved.quantity if kind == "sold" else moved.quantity
        top = sorted((quantity for quantity in sold.values() if quantity > 0), reverse=True)[:5]
        told = [Decimal(row["sold"]) for row in shown["topVariants"]]
        if told != top or any(sold[row["variantId"]] != Decimal(row["sold"]) for row in shown["topVariants"]):
            faults.append(f"dashboard: the top variants are {told}, not {top}")
        for row in shown["movements"]:
            for name in ("purchased", "sold", "adjusted"):
                if Decimal(row[name]) != days[row["day"]][name]:
                    faults.append(f"dashboard {row['day']}: {name} is {row[name]}, not {days[row['day']][name]}")
        return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("url", "host", "token"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seed", type=int, default=1)
    shop = Shop(parser.parse_args())
    shop.open()
    shop.trade()
    faults = shop.check()
    print("\n".join(faults) or f"all figures agree, after {len(shop.books.ledger)} movements")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
