"""Several nodes, of which one answers."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tradeexecutor.ethereum.connection import ChainConnection, RetryPolicy, open_provider
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.ethereum.errors import ChainUnavailable, RpcError, WrongChain
from tradeexecutor.state.errors import InvalidValue

Answer = Callable[[str, Any], Any]


class Node:
    """A node whose answers the test decides: a result, or an exception."""

    def __init__(self, answer: Answer, url: str = "https://node.example/v3/topsecret", chain_id: int = 1):
        self.endpoint_uri = url
        self.answer = answer
        self.chain_id = chain_id
        self.asked: list[str] = []

    def make_request(self, method: str, params: Any) -> Any:
        if method == "eth_chainId":
            return {"result": hex(self.chain_id)}
        self.asked.append(method)
        answer = self.answer(method, params)
        if isinstance(answer, Exception):
            raise answer
        return answer


def down(method: str, params: Any) -> Any:
    return OSError("https://node.example/v3/topsecret refused")


def connect(*nodes: Node, pauses: list[float] | None = None, **options: Any) -> ChainConnection:
    return ChainConnection(nodes, 1, sleep=(pauses if pauses is not None else []).append, **options)


def test_the_next_node_is_asked_when_one_does_not_answer():
    broken, good = Node(down), Node(lambda *_: {"result": "0x5"})
    connection = connect(broken, good)
    assert connection.request("eth_gasPrice") == "0x5"
    assert connection.request("eth_gasPrice") == "0x5"
    assert broken.asked == ["eth_gasPrice"], "the node that answered is asked first the next time"


def test_pauses_double_up_to_a_limit_and_then_it_gives_up():
    pauses: list[float] = []
    policy = RetryPolicy(rounds=5, first_pause=1, longest_pause=3)
    with pytest.raises(ChainUnavailable) as raised:
        connect(Node(down), pauses=pauses, retry=policy).request("eth_gasPrice")
    assert pauses == [1, 2, 3, 3]
    assert raised.value.failures == ["node.example: OSError"]


def test_the_secret_part_of_an_address_is_not_repeated():
    with pytest.raises(ChainUnavailable) as raised:
        connect(Node(down), retry=RetryPolicy(rounds=1)).request("eth_gasPrice")
    assert "topsecret" not in str(raised.value)
    assert "topsecret" not in repr(connect(Node(down)))


@pytest.mark.parametrize("error", [{"code": -32005, "message": "slow down"}, {"code": 429, "message": "slow down"}])
def test_too_many_requests_are_made_again_later(error: dict[str, Any]):
    answers = iter([{"error": error}, {"result": "0x1"}])
    pauses: list[float] = []
    assert connect(Node(lambda *_: next(answers)), pauses=pauses).request("eth_gasPrice") == "0x1"
    assert len(pauses) == 1


def test_an_error_of_the_request_itself_is_not_repeated():
    node = Node(lambda *_: {"error": {"code": 3, "message": "execution reverted", "data": "0x08c379a0"}})
    with pytest.raises(RpcError) as raised:
        connect(node).request("eth_call")
    assert (raised.value.code, raised.value.data, len(node.asked)) == (3, "0x08c379a0", 1)


@pytest.mark.parametrize(
    "data", ["0xabcd", "Reverted 0xabcd", {"data": "0xabcd"}, {"data": {"data": "0xabcd"}}, {"result": "0xabcd"}]
)
def test_revert_data_is_found_wherever_a_node_puts_it(data: Any):
    node = Node(lambda *_: {"error": {"code": -32000, "message": "reverted", "data": data}})
    with pytest.raises(RpcError) as raised:
        connect(node).request("eth_call")
    assert raised.value.data == "0xabcd"


def test_a_node_of_another_chain_is_refused_before_it_is_asked_anything():
    node = Node(lambda *_: {"result": "0x1"}, chain_id=137)
    with pytest.raises(WrongChain) as raised:
        connect(node).request("eth_sendRawTransaction", "0x")
    assert (raised.value.expected, raised.value.actual) == (1, 137)
    assert not node.asked


def test_requests_are_spread_out():
    pauses: list[float] = []
    connection = connect(Node(lambda *_: {"result": "0x1"}), pauses=pauses, requests_per_second=2)
    for _ in range(3):
        connection.request("eth_gasPrice")
    assert [round(pause, 1) for pause in pauses][:2] == [0.5, 0.5]


@pytest.mark.parametrize("options", [{"providers": []}, {"providers": ["ftp://x"]}, {"confirmations": 0}])
def test_impossible_settings_are_refused(options: dict[str, Any]):
    with pytest.raises(InvalidValue):
        ChainConnection(**{"providers": ["http://localhost"], "chain_id": 1, **options})


@pytest.mark.slow
def test_the_libraries_of_the_chain_leave_the_recursion_limit_alone():
    """One of them raises it so high that a deeply nested file would crash the process instead of being refused."""
    program = (
        "import sys; before = sys.getrecursionlimit(); import tradeexecutor.ethereum.execution; "
        "from tradeexecutor.ethereum.connection import open_provider; open_provider('http://127.0.0.1'); "
        "sys.exit(sys.getrecursionlimit() != before)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_safe_block_is_confirmations_deep(dev_chain: DevChain):
    dev_chain.anvil.mine(5)
    connection = dev_chain.anvil.connect(confirmations=3)
    head, safe = connection.get_head(), connection.find_safe_block()
    assert safe is not None
    assert safe.number == head.number - 2
    assert dev_chain.anvil.connect(confirmations=10_000).find_safe_block() is None


def test_a_real_node_answers_by_every_transport(dev_chain: DevChain):
    connection = ChainConnection([open_provider(dev_chain.anvil.url)], CHAIN_ID)
    assert connection.get_head().number > 0
    assert connection.find_block(10**9) is None
    assert connection.find_receipt("0x" + "ab" * 32) is None
    assert not connection.is_known("0x" + "ab" * 32)
    with pytest.raises(WrongChain):
        ChainConnection([dev_chain.anvil.url], 1).get_head()


@pytest.mark.parametrize(
    "nonsense", [{"result": "<html>"}, {"result": {}}, {"result": 7.5}, {"result": []}, {}, None, 5]
)
def test_an_answer_that_cannot_be_understood_is_none(nonsense: Any):
    good = {"number": "0x5", "hash": "0xaa", "timestamp": "0x1"}
    answers = {"eth_getTransactionCount": "0x7", "eth_getBlockByNumber": good, "eth_getTransactionByHash": None}
    connection = connect(Node(lambda *_: nonsense), Node(lambda method, _: {"result": answers.get(method)}))
    assert connection.get_transaction_count("0x1") == 7
    assert connection.get_head().number == 5
    connection = connect(Node(lambda *_: nonsense), retry=RetryPolicy(rounds=1))
    for ask in (connection.get_head, lambda: connection.find_receipt("0x1"), lambda: connection.is_known("0x1")):
        with pytest.raises(ChainUnavailable):
            ask()
