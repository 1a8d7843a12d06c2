"""The books of a shop, kept a second time: an independent model of stock, value, prices and parts.

It knows the rules as a bookkeeper would write them down, and shares no code with the server.
Amounts are Decimal; a unit cost has up to four decimals and a value eight.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, getcontext

getcontext().prec = 60
CENT, TINY = Decimal("0.01"), Decimal("0.00000001")
ZERO = Decimal(0)


def cents(amount):
    return amount.quantize(CENT, ROUND_HALF_UP)


def share(amount, part, whole, step):
    """What belongs to `part` of `whole` units; all of it if they are the same."""
    return amount if part == whole else (amount * part / whole).quantize(step, ROUND_HALF_UP)


@dataclass
class Level:
    """The goods of one variant at one location."""

    on_hand: Decimal = ZERO
    reserved: Decimal = ZERO
    value: Decimal = ZERO
    last_cost: Decimal | None = None

    def cost_of(self, quantity, catalogue_cost):
        if self.on_hand > 0:
            return share(self.value, quantity, self.on_hand, TINY)
        unit = self.last_cost if self.last_cost is not None else catalogue_cost
        return (unit * quantity).quantize(TINY, ROUND_HALF_UP)

    def arrive(self, quantity, value):
        self.on_hand += quantity
        self.value += value

    def leave(self, quantity):
        value = share(self.value, quantity, self.on_hand, TINY)
        if quantity == self.on_hand:
            self.last_cost = share(value, Decimal(1), quantity, TINY)
        self.on_hand -= quantity
        self.value -= value
        return value


@dataclass
class Line:
    """A line of an order: what is open, what is out, and what the goods that are out cost."""

    variant: str
    quantity: Decimal
    open: Decimal
    open_money: dict
    out: Decimal = ZERO
    out_money: dict = field(default_factory=lambda: {"total": ZERO, "tax": ZERO})
    cost: Decimal = ZERO

    def fulfil(self, quantity, cost):
        taken = {name: share(money, quantity, self.open, CENT) for name, money in self.open_money.items()}
        for name, money in taken.items():
            self.open_money[name] -= money
        self.open -= quantity
        self.out += quantity
        self.out_money["total"] += taken["total"]
        self.out_money["tax"] += taken["tax"]
        self.cost += cost
        return taken

    def take_back(self, quantity):
        taken = {name: share(money, quantity, self.out, CENT) for name, money in self.out_money.items()}
        cost = share(self.cost, quantity, self.out, TINY)
        for name, money in taken.items():
            self.out_money[name] -= money
        self.out -= quantity
        self.cost -= cost
        return taken, cost

    def refund(self, amount):
        """Gives an amount of what is out back, and returns the tax in it."""
        tax = share(self.out_money["tax"], amount, self.out_money["total"], CENT)
        self.out_money["total"] -= amount
        self.out_money["tax"] -= tax
        return tax

    def cancel(self):
        cancelled = self.open
        self.open = ZERO
        self.open_money = {name: ZERO for name in self.open_money}
        return cancelled


def price(quantity, unit_price, discount, tax):
    """The total, tax and discount of a line. `tax` is (percent, whether it is in the price) or None."""
    gross = cents(quantity * unit_price)
    if discount is None:
        off = ZERO
    elif discount.endswith("%"):
        off = cents(gross * Decimal(discount[:-1]) / 100)
    else:
        off = Decimal(discount)
    base = gross - off
    if tax is None:
        return {"total": base, "tax": ZERO, "discount": off}
    percent, in_price = tax
    if in_price:
        net = cents(base * 100 / (100 + percent))
        return {"total": base, "tax": base - net, "discount": off}
    on_top = cents(base * percent / 100)
    return {"total": base + on_top, "tax": on_top, "discount": off}


@dataclass
class Movement:
    """A movement of the ledger, with the money that reports add up."""

    day: int
    kind: str
    variant: str
    location: str
    quantity: Decimal
    value: Decimal
    order: str | None = None
    customer: str | None = None
    total: Decimal = ZERO
    refunded: Decimal = ZERO
    tax: Decimal = ZERO
    discount: Decimal = ZERO
    reason: str | None = None


class Books:
    """All goods, documents and movements of the shop."""

    def __init__(self, catalogue):
        # variant -> {"price", "cost", "tax", "category", "kind"}
        self.catalogue = catalogue
        self.levels = defaultdict(Level)
        self.transit = defaultdict(lambda: [ZERO, ZERO])
        self.ledger = []
        self.day = 0

    def move(self, kind, variant, location, quantity, value, **more):
        self.ledger.append(Movement(self.day, kind, variant, location, quantity, value, **more))

    def arrive(self, kind, variant, location, quantity, value=None, **more):
        level = self.levels[variant, location]
        if value is None:
            value = level.cost_of(quantity, self.catalogue[variant]["cost"])
        level.arrive(quantity, value)
        self.move(kind, variant, location, quantity, value, **more)

    def leave(self, kind, variant, location, quantity, **more):
        value = self.levels[variant, location].leave(quantity)
        self.move(kind, variant, location, -quantity, -value, **more)
        return value

    def has_stock(self, variant):
        return self.catalogue[variant]["kind"] == "goods"

    def reserve(self, variant, location, quantity):
        if self.has_stock(variant):
            self.levels[variant, location].reserved += quantity

    def cost_of_sale(self, variant, location, quantity):
        """What leaves costs: the average of goods, or the catalogue's cost of a service or a fee."""
        if self.has_stock(variant):
            return self.levels[variant, location].leave(quantity)
        return self.catalogue[variant]["cost"] * quantity

    def available(self, variant, location):
        if not self.has_stock(variant):
            return Decimal("Infinity")
        level = self.levels[variant, location]
        return level.on_hand - level.reserved

    # Figures

    def sales(self, key):
        """The rows of the sales report: key of a movement -> sums."""
        rows = defaultdict(lambda: defaultdict(lambda: ZERO))
        orders = defaultdict(set)
        for moved in self.ledger:
            if moved.kind not in ("sale", "return", "refund"):
                continue
            for row in (key(moved), "total"):
                sums = rows[row]
                sums["sold" if moved.kind == "sale" else "returned"] += abs(moved.quantity)
                sums["discount"] += moved.discount
                sums["total"] += moved.total
                sums["refunded"] += moved.refunded
                sums["tax"] += moved.tax
                sums["cost"] -= moved.value
                orders[row].add(moved.order)
        for row, sums in rows.items():
            sums["orders"] = len(orders[row])
        return rows

    def adjustments(self):
        rows = defaultdict(lambda: defaultdict(lambda: ZERO))
        for moved in self.ledger:
            if moved.kind not in ("adjustment", "count"):
                continue
            for row in ((moved.kind, moved.reason), "total"):
                sums = rows[row]
                sums["movements"] += 1
                sums["added" if moved.quantity > 0 else "removed"] += abs(moved.quantity)
                sums["value"] += moved.value
        return rows

    def stock(self, key, day=None):
        """The rows of the stock report, now or at the end of a day."""
        levels = {at: (level.on_hand, level.value) for at, level in self.levels.items()}
        for moved in self.ledger:
            if day is not None and moved.day > day and self.has_stock(moved.variant):
                on_hand, value = levels[moved.variant, moved.location]
                levels[moved.variant, moved.location] = (on_hand - moved.quantity, value - moved.value)
        rows = defaultdict(lambda: defaultdict(lambda: ZERO))
        for (variant, location), (on_hand, value) in levels.items():
            if on_hand == 0:
                continue
            for row in (key(variant, location), "total"):
                sums = rows[row]
                sums["onHand"] += on_hand
                sums["cost"] += value
                sums["value"] += on_hand * self.catalogue[variant]["price"]
        return rows
