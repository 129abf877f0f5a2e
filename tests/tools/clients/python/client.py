"""What an application does with the client that openapi-python-client makes; `tests/e2e/test_generated_clients.py`."""

import json
import sys

from latchkey_client import AuthenticatedClient, Client
from latchkey_client.api.account import get_me
from latchkey_client.api.auth import login, register
from latchkey_client.api.products import create_product
from latchkey_client.api.sessions import refresh
from latchkey_client.models import (
    CreateProduct,
    Login,
    Problem,
    ProblemCode,
    Refresh,
    Register,
    SuccessMeData,
    SuccessProductData,
    SuccessTokenPair,
    SuccessTokenPairOrUserData,
)

url, username, password = sys.argv[1:]
client = Client(base_url=url)

registered = register.sync(client=client, body=Register(username=username, password=password))
assert isinstance(registered, SuccessTokenPairOrUserData)

opened = login.sync(client=client, body=Login(login=username, password=password))
assert isinstance(opened, SuccessTokenPair)

caller = AuthenticatedClient(base_url=url, token=opened.data.access_token)
me = get_me.sync(client=caller)
assert isinstance(me, SuccessMeData)
user_id: str = me.data.user.id
assert user_id == registered.data.user.id

renewed = refresh.sync(client=caller, body=Refresh(refresh_token=opened.data.refresh_token))
assert isinstance(renewed, SuccessTokenPair)
assert renewed.data.refresh_token != opened.data.refresh_token

made = create_product.sync(client=caller, body=CreateProduct(name="Lamp", price=1234567.89))
assert isinstance(made, SuccessProductData)
price: float = made.data.product.price

refused = login.sync(client=client, body=Login(login=username, password="not the password"))
assert isinstance(refused, Problem)
code: ProblemCode = refused.code
help_url: str = refused.help_
assert code is ProblemCode.INVALID_CREDENTIALS

sys.stdout.write(json.dumps({"user": user_id, "price": price, "code": code.value, "help": help_url}))
