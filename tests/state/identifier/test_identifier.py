"""Assets and pairs: identity, constructor rules, unit conversion, and what a pair says about itself."""

import dataclasses
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import AUSDC, SHORT, VWETH
from tests.kit.trader import BRIDGE, FAR_USDC, LINK, SHARES, T0, USDC, VAULT, WBTC_USDC, WETH, WETH_USDC, asset, pair
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.identifier import (
    IGNORE_REASON_LACKS_FEE_DATA,
    IGNORE_REASON_REQUIRES_WHITELIST,
    AssetIdentifier,
    AssetType,
    AssetWithTrackedValue,
    LendingProtocolType,
    TradingPairIdentifier,
    TradingPairKind,
)
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.identifier.pair_metadata import ERC4626Feature

D = Decimal


def make(kind: TradingPairKind, **other_data: Any) -> TradingPairIdentifier:
    return pair(LINK, USDC, 0.003, 1, kind=kind, other_data=other_data)


# --- Assets


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", None),
        ("address", 5),
        ("address", b"0x1"),
        ("address", "1x"),
        ("address", ""),
        ("address", "vlt-1"),
        ("chain_id", True),
        ("chain_id", ChainId.base),
        ("chain_id", 1.0),
        ("chain_id", "1"),
        ("chain_id", np.int64(1)),
        ("decimals", -1),
        ("decimals", 256),
        ("decimals", 2**53 - 1),
        ("decimals", 6.0),
        ("decimals", "6"),
        ("decimals", True),
        ("decimals", None),
        ("type", "token"),
    ],
)
def test_an_asset_that_makes_no_sense_is_refused(field: str, value: Any):
    with pytest.raises(InvalidValue):
        AssetIdentifier(**{"chain_id": 1, "address": "0x1", "token_symbol": "X", "decimals": 6} | {field: value})


@pytest.mark.parametrize(
    "address", ["0xAbC", "0XAB", "0xZZ", "VLT:1", "Lighter-Pool-5", "hibachi-vault-x", "APEX-vault-1"]
)
def test_addresses_are_lower_cased(address: str):
    made = AssetIdentifier(1, address, "X", 0)
    assert made.address == address.lower()
    assert made.get_identifier() == f"1-{address.lower()}"


def test_numpy_decimals_become_an_int():
    assert type(AssetIdentifier(1, "0x1", "X", np.int64(18)).decimals) is int  # type: ignore[arg-type]


def test_an_asset_is_its_chain_and_address():
    """The reference ignores the chain in equality, but not in the hash."""
    same = AssetIdentifier(1, USDC.address.upper().replace("0X", "0x"), "other", 18)
    assert same == USDC
    assert hash(same) == hash(USDC)
    elsewhere = AssetIdentifier(8453, USDC.address, "USDC", 6)
    assert elsewhere != USDC
    assert len({USDC, same, elsewhere}) == 2
    assert USDC.address != USDC


def test_text_of_an_asset():
    assert str(USDC) == f"<USDC at {USDC.address}>"
    assert str(VWETH) == f"<vWETH (WETH) at {VWETH.address}>"


def test_checksum_address():
    weth = AssetIdentifier(1, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "WETH", 18)
    assert weth.checksum_address == "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"


@pytest.mark.parametrize(
    ("decimals", "amount", "raw"),
    [
        (6, D("1.2345678"), 1_234_567),
        (6, D("-1.2345678"), -1_234_567),
        (18, D("123456789012.123456789012345678"), 123456789012123456789012345700),
        (18, D(0.1), 100000000000000005),
        (0, D("7.9"), 7),
        (6, D(0), 0),
    ],
)
def test_conversion_to_raw_units_truncates(decimals: int, amount: Decimal, raw: int):
    """Numbers of E29."""
    assert asset("X", decimals, 9).convert_to_raw_amount(amount) == raw


def test_conversion_from_raw_units():
    """Numbers of E29."""
    assert USDC.convert_to_decimal(1_234_567) == D("1.234567")
    assert USDC.convert_to_decimal(1) == D("0.000001")


@pytest.mark.parametrize("amount", [1, 1.5, "1", None])
def test_only_decimals_are_converted(amount: Any):
    with pytest.raises(InvalidValue):
        USDC.convert_to_raw_amount(amount)


@given(st.integers(0, 10**27), st.sampled_from([0, 6, 8, 18]))
def test_raw_units_come_back(raw: int, decimals: int):
    token = asset("X", decimals, 9)
    assert token.convert_to_raw_amount(token.convert_to_decimal(raw)) == raw


@pytest.mark.parametrize("symbol", ["USDC", "USDC.e", "USDT", "DAI", "FRAX", "GHO", "EURS", "USDbC", "aDAI", "PAXG"])
def test_stablecoins(symbol: str):
    assert asset(symbol, 18, 9).is_stablecoin()


@pytest.mark.parametrize("symbol", ["usdc", "dai", "WETH", "aEthUSDC", ""])
def test_not_stablecoins(symbol: str):
    assert not asset(symbol, 18, 9).is_stablecoin()


def test_receipt_and_debt_tokens():
    assert (AUSDC.is_interest_accruing(), VWETH.is_interest_accruing(), USDC.is_interest_accruing()) == (
        True,
        True,
        False,
    )
    assert (AUSDC.is_credit(), VWETH.is_credit(), USDC.is_credit()) == (True, False, None)
    assert (AUSDC.is_debt(), VWETH.is_debt()) == (False, True)
    with pytest.raises(InvalidValue):
        USDC.is_debt()
    assert VWETH.get_pricing_asset() is VWETH.underlying
    assert USDC.get_pricing_asset() is USDC


def test_tags_and_taxes_of_an_asset():
    token = asset("X", 18, 9)
    assert (token.get_tags(), token.get_buy_tax(), token.get_sell_tax()) == (set(), None, None)
    token.other_data = None
    token.set_tags({"meme", "ai"})
    assert token.get_tags() == {"meme", "ai"}
    again = AssetIdentifier.from_json(token.to_json())
    assert again.get_tags() == {"meme", "ai"}, "a list after loading, a set for the caller"
    token.other_data = {"buy_tax": 0.05, "sell_tax": 0.1}
    assert (token.get_buy_tax(), token.get_sell_tax()) == (0.05, 0.1)
    with pytest.raises(InvalidValue):
        token.set_tags(["meme"])  # type: ignore[arg-type]


# --- Pairs: constructor and identity


@pytest.mark.parametrize(
    "changes",
    [
        {"quote": FAR_USDC},
        {"fee": 1},
        {"fee": D("0.003")},
        {"fee": np.float64(0.003)},
        {"fee": "0.003"},
        {"internal_id": "7"},
        {"internal_id": np.int64(7)},
        {"internal_id": 7.0},
    ],
)
def test_a_pair_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    with pytest.raises(InvalidValue):
        dataclasses.replace(WETH_USDC, **changes)


def test_only_a_bridge_spans_chains():
    assert (BRIDGE.get_source_chain_id(), BRIDGE.get_destination_chain_id(), BRIDGE.chain_id) == (1, 8453, 8453)


@pytest.mark.parametrize("fee", [0, 0.0, D(0), np.float64(0), False])
def test_no_fee_is_a_float(fee: Any):
    made = dataclasses.replace(WETH_USDC, fee=fee)
    assert (made.fee, type(made.fee)) == (0.0, float)


def test_a_missing_fee_stays_missing():
    assert dataclasses.replace(WETH_USDC, fee=None).fee is None


def test_token_order_is_computed_when_missing():
    assert pair(WETH, USDC, None, 1).has_reverse_token_order() is True
    assert pair(USDC, WETH, None, 1).has_reverse_token_order() is False
    assert dataclasses.replace(WETH_USDC, reverse_token_order=False).has_reverse_token_order() is False


def test_token_order_of_invented_addresses_must_be_given():
    vault = AssetIdentifier(9999, "vlt:1", "V", 6)
    cash = AssetIdentifier(9999, "0x1", "USDC", 6)
    with pytest.raises(ValueError, match="vlt:1"):
        TradingPairIdentifier(vault, cash, "vlt:1", None)
    assert TradingPairIdentifier(vault, cash, "vlt:1", None, reverse_token_order=False).base == vault


def test_unknown_token_order():
    made = pair(WETH, USDC, None, 1)
    made.reverse_token_order = None
    with pytest.raises(InvalidValue):
        made.has_reverse_token_order()


def test_pool_addresses_keep_their_case_and_compare_without_it():
    upper = dataclasses.replace(WETH_USDC, pool_address="0xABC", exchange_address="0xDeF")
    lower = dataclasses.replace(WETH_USDC, pool_address="0xabc")
    assert (upper.pool_address, upper.exchange_address) == ("0xABC", "0xDeF")
    assert upper.get_identifier() == "0xabc"
    assert upper == lower
    assert hash(upper) == hash(lower)


@pytest.mark.parametrize(
    "changes",
    [{"base": LINK}, {"quote": LINK}, {"fee": 0.01}, {"fee": None}, {"pool_address": "0x5"}],
    ids=["base", "quote", "fee", "no fee", "pool"],
)
def test_what_makes_pairs_different(changes: dict[str, Any]):
    assert dataclasses.replace(WETH_USDC, **changes) != WETH_USDC


def test_equal_addresses_on_another_chain_are_another_pair():
    far = dataclasses.replace(
        WETH_USDC,
        base=dataclasses.replace(WETH, chain_id=10),
        quote=dataclasses.replace(USDC, chain_id=10),
    )
    assert far != WETH_USDC
    assert len({far, WETH_USDC}) == 2


def test_pairs_compare_with_anything():
    assert WETH_USDC != None  # noqa: E711
    assert WETH_USDC != "WETH-USDC"
    assert dataclasses.replace(WETH_USDC, internal_id=5, other_data={"x": 1}) == WETH_USDC


# --- Kinds


@pytest.mark.parametrize(
    ("predicate", "kinds"),
    [
        ("is_spot", "spot_market_hold spot_market_hold_rebalancing_token"),
        ("is_interest_accruing", "credit_supply lending_protocol_long lending_protocol_short"),
        ("is_credit_based", "credit_supply lending_protocol_long lending_protocol_short"),
        ("is_credit_supply", "credit_supply"),
        ("is_shorting", "lending_protocol_short"),
        ("is_longing", "lending_protocol_long"),
        ("is_leverage", "lending_protocol_long lending_protocol_short"),
        ("is_vault", "vault"),
        ("is_cash", "cash"),
        ("is_freqtrade", "freqtrade"),
        ("is_exchange_account", "exchange_account"),
        ("is_cctp_bridge", "cctp_bridge"),
    ],
)
def test_predicates_of_kinds(predicate: str, kinds: str):
    assert {kind.name for kind in TradingPairKind if getattr(kind, predicate)()} == set(kinds.split())
    on_pair = {"is_shorting": "is_short", "is_longing": "is_long"}.get(predicate, predicate)
    if hasattr(TradingPairIdentifier, on_pair):
        assert {kind.name for kind in TradingPairKind if getattr(make(kind), on_pair)()} == set(kinds.split())


def test_the_odd_value_of_a_kind():
    values = {kind.name: kind.value for kind in TradingPairKind if kind.name != kind.value}
    assert values == {"spot_market_hold_rebalancing_token": "spot_market_rebalancing token"}


def test_everything_but_credit_makes_volume():
    assert [kind for kind in TradingPairKind if not make(kind).is_volume_generating()] == [
        TradingPairKind.credit_supply
    ]


def test_hypercore_vaults():
    hyper = dataclasses.replace(
        VAULT, base=dataclasses.replace(SHARES, chain_id=9999), quote=dataclasses.replace(USDC, chain_id=9999)
    )
    assert hyper.is_hyperliquid_vault()
    assert not VAULT.is_hyperliquid_vault()
    assert not dataclasses.replace(hyper, kind=TradingPairKind.spot_market_hold).is_hyperliquid_vault()


def test_pricing_pairs():
    assert WETH_USDC.get_pricing_pair() is WETH_USDC
    assert BRIDGE.get_pricing_pair() is BRIDGE
    assert VAULT.get_pricing_pair() is VAULT
    assert SHORT.get_pricing_pair() is SHORT.underlying_spot_pair
    for kind in ("lending_protocol_short", "freqtrade", "exchange_account", "cash"):
        with pytest.raises(InvalidValue):
            make(TradingPairKind[kind]).get_pricing_pair()


def test_leverage_limits():
    assert SHORT.get_liquidation_threshold() == SHORT.get_collateral_factor() == 0.85
    collateral = dataclasses.replace(AUSDC, liquidation_threshold=0.8)
    short = dataclasses.replace(SHORT, quote=collateral)
    assert short.get_max_leverage_at_open() == 4.000000000000001
    assert short.get_max_leverage_at_open(side="long") == 5.000000000000001
    assert short.get_lending_protocol() is LendingProtocolType.aave_v3
    assert WETH_USDC.get_lending_protocol() is None
    with pytest.raises(InvalidValue):
        WETH_USDC.get_liquidation_threshold()


@pytest.mark.parametrize("threshold", [None, 0.0, 1.0, 1, -0.5])
def test_a_liquidation_threshold_is_strictly_between_0_and_1(threshold: Any):
    short = dataclasses.replace(SHORT, quote=dataclasses.replace(AUSDC, liquidation_threshold=threshold))
    with pytest.raises(InvalidValue):
        short.get_liquidation_threshold()


# --- Labels


def test_labels_of_a_spot_pair():
    assert WETH_USDC.get_ticker() == "WETH-USDC"
    assert WETH_USDC.get_easy_label() == WETH_USDC.get_chart_label() == "WETH"
    assert WETH_USDC.get_human_description() == "WETH-USDC"
    assert WETH_USDC.get_human_description(describe_type=True) == "WETH-USDC spot"
    assert WETH_USDC.get_human_description_for_code() == "(ChainId.ethereum, WETH, USDC, 0.003)"
    assert repr(WETH_USDC) == (
        f"<Pair WETH-USDC spot_market_hold at {WETH_USDC.pool_address} (0.3000% fee) "
        f"on exchange {WETH_USDC.exchange_address}>"
    )


def test_labels_of_other_kinds():
    named = dataclasses.replace(VAULT, other_data={"vault_name": "Best", "vault_protocol": "morpho"})
    assert named.get_easy_label() == named.get_human_description(describe_type=True) == "Best"
    assert repr(named) == f"<Pair for vault Best on morpho,  vUSD-USDC {named.exchange_address}, id #104>"
    assert BRIDGE.get_ticker() == BRIDGE.get_easy_label() == "USDC (CCTP bridged to Base)"
    assert SHORT.get_human_description(describe_type=True) == "WETH-USDC short"
    assert make(TradingPairKind.credit_supply).get_human_description(describe_type=True) == "LINK-USDC credit"
    with pytest.raises(InvalidValue):
        WETH_USDC.get_cctp_bridge_label()


def test_a_bridge_to_a_chain_without_a_name():
    far = dataclasses.replace(BRIDGE, base=dataclasses.replace(FAR_USDC, chain_id=123456))
    assert far.get_ticker() == "USDC (CCTP bridged to 123456)"


def test_a_pair_of_a_test_chain_has_no_description_for_code():
    local = dataclasses.replace(
        WETH_USDC, base=dataclasses.replace(WETH, chain_id=31337), quote=dataclasses.replace(USDC, chain_id=31337)
    )
    with pytest.raises(InvalidValue):
        local.get_human_description_for_code()


def test_diagnostics_are_text():
    info = WETH_USDC.get_diagnostics_info()
    assert all(type(value) is str for value in info.values())
    assert (info["internal_id"], info["kind"], info["base"], info["fee"]) == (
        "101",
        "spot_market_hold",
        "WETH",
        "0.003",
    )
    assert set(make(TradingPairKind.vault, tvl=5).get_diagnostics_info(extended=True)) - set(info) == {"tvl"}


def test_complete_info():
    assert WETH_USDC.has_complete_info()
    for changes in ({"base": asset("X", 0, 5)}, {"quote": asset("", 6, 5)}, {"base": asset("", 6, 5)}):
        assert not dataclasses.replace(WETH_USDC, **changes).has_complete_info()


# --- Data of a pair


def test_taxes_and_tags_come_from_the_base_token():
    taxed = pair(asset("X", 18, 9), USDC, 0.003, 1)
    taxed.base.other_data = {"buy_tax": 0.05, "sell_tax": 0.1, "tags": ["meme"]}
    assert (taxed.get_buy_tax(), taxed.get_sell_tax(), taxed.get_tags()) == (0.05, 0.1, {"meme"})
    free = dataclasses.replace(taxed, exchange_name="uniswap-v3")
    assert (free.can_have_tax(), free.get_buy_tax(), free.get_sell_tax()) == (False, 0, 0)
    assert WBTC_USDC.get_buy_tax() is None
    wrapped = dataclasses.replace(SHORT, underlying_spot_pair=taxed)
    assert wrapped.get_tags() == {"meme"}


def test_pairs_may_be_traded_unless_marked():
    made = pair(WETH, USDC, 0.003, 1, other_data=None)
    assert made.is_tradeable()
    made.set_tradeable(False, "scam")
    assert not made.is_tradeable()
    assert made.other_data == {"tradeable": False, "tradeable_reason": "scam"}
    made.set_tradeable(True)
    assert made.is_tradeable()
    with pytest.raises(InvalidValue):
        made.set_tradeable(1)  # type: ignore[arg-type]


def test_ignore_reasons():
    made = pair(WETH, USDC, 0.003, 1)
    assert made.get_ignore_reason() is None
    for reason in (IGNORE_REASON_LACKS_FEE_DATA, IGNORE_REASON_REQUIRES_WHITELIST):
        made.set_ignore_reason(reason)
        assert made.get_ignore_reason() == reason
    for bad in ("", None, 5):
        with pytest.raises(InvalidValue):
            made.set_ignore_reason(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accessor", "key"),
    [
        ("get_token_metadata", "token_metadata"),
        ("get_minimal_tokesniffer_data", "token_sniffer_data"),
        ("get_token_risk_data", "token_risk_data"),
        ("get_lagoon_compat_check_data", "lagoon_compat_check_data"),
        ("get_vault_protocol", "vault_protocol"),
        ("get_vault_name", "vault_name"),
        ("get_performance_fee", "vault_performance_fee"),
        ("get_management_fee", "vault_management_fee"),
        ("get_deposit_closed_reason", "deposit_closed_reason"),
        ("get_redemption_closed_reason", "redemption_closed_reason"),
        ("get_deposit_next_open", "deposit_next_open"),
        ("get_redemption_next_open", "redemption_next_open"),
        ("get_vault_risk_level", "risk_level"),
        ("get_vault_tvl", "tvl"),
        ("get_vault_link", "link"),
    ],
)
def test_accessors_of_free_data(accessor: str, key: str):
    value = {"score": 5}
    assert getattr(make(TradingPairKind.vault, **{key: value}), accessor)() == value
    assert getattr(make(TradingPairKind.vault), accessor)() is None
    assert getattr(pair(LINK, USDC, 0.003, 1, other_data=None), accessor)() is None


def test_risk_data():
    risky = make(
        TradingPairKind.spot_market_hold,
        token_sniffer_data={"score": 80},
        token_risk_data={
            "score": 7,
            "results": [
                {"key": "honeypot", "value": True},
                {"key": "mintable", "value": "true"},
                {"key": "tax", "value": False},
            ],
        },
    )
    assert (risky.get_risk_score(), risky.get_token_risk_score()) == (80, 7)
    assert risky.get_token_risk_flags() == {"honeypot", "mintable"}
    assert (LINK_PAIR.get_risk_score(), LINK_PAIR.get_token_risk_score(), LINK_PAIR.get_token_risk_flags()) == (
        None,
    ) * 3


LINK_PAIR = make(TradingPairKind.spot_market_hold)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (None, None),
        ([], set()),
        ("lagoon_like", {ERC4626Feature.lagoon_like}),
        (["lagoon_like", "erc_7540_like"], {ERC4626Feature.lagoon_like, ERC4626Feature.erc_7540_like}),
        ({ERC4626Feature.ostium_like}, {ERC4626Feature.ostium_like}),
    ],
)
def test_vault_features(features: Any, expected: set[ERC4626Feature] | None):
    assert make(TradingPairKind.vault, vault_features=features).get_vault_features() == expected


def test_features_that_are_not_declared_here():
    found = make(TradingPairKind.vault, vault_features=["invented_later"]).get_vault_features()
    assert found is not None
    assert [feature.value for feature in found] == ["invented_later"]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("vault", {}, False),
        ("vault", {"vault_features": ["lagoon_like"]}, True),
        ("vault", {"vault_features": ["erc_7540_like", "x"]}, True),
        ("vault", {"vault_features": ["x"]}, False),
        ("vault", {"vault_features": []}, True),
        ("vault", {"vault_features": [], "vault_protocol": "erc-4626"}, False),
        ("vault", {"vault_features": [], "vault_protocol": "erc4626"}, False),
        ("spot_market_hold", {"vault_features": ["lagoon_like"]}, False),
    ],
)
def test_asynchronous_vaults(kind: str, data: dict[str, Any], expected: bool):
    assert make(TradingPairKind[kind], **data).is_async_vault() is expected


def test_vaults_that_are_closed():
    vault = make(TradingPairKind.vault, deposit_closed_reason="full")
    assert (vault.can_deposit(), vault.can_redeem()) == (False, True)
    for method in (WETH_USDC.can_deposit, WETH_USDC.can_redeem):
        with pytest.raises(InvalidValue):
            method()


def test_settings_of_a_freqtrade_instance(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FREQTRADE_MY_BOT_USERNAME", "user")
    monkeypatch.delenv("FREQTRADE_MY_BOT_PASSWORD", raising=False)
    data = {"freqtrade_id": "my-bot", "freqtrade_api_url": "http://x", "freqtrade_transfer_method": "lagoon"}
    bot = make(TradingPairKind.freqtrade, **data, freqtrade_vault_address="0x5")
    config = bot.get_freqtrade_config()
    assert config is not None
    assert (config["api_username"], config["api_password"], config["vault_address"]) == ("user", None, "0x5")
    assert (bot.get_freqtrade_id(), bot.get_freqtrade_api_url()) == ("my-bot", "http://x")
    other = make(TradingPairKind.spot_market_hold, **data)
    assert (other.get_freqtrade_id(), other.get_freqtrade_transfer_method(), other.get_freqtrade_config()) == (
        None,
    ) * 3


def test_settings_of_an_exchange_account():
    data = {"exchange_protocol": "gmx", "exchange_subaccount_id": 5}
    account = make(TradingPairKind.exchange_account, **data)
    assert (account.get_exchange_account_protocol(), account.get_exchange_account_id()) == ("gmx", 5)
    config = account.get_exchange_account_config()
    assert config == data
    assert config is not account.other_data
    assert make(TradingPairKind.vault, **data).get_exchange_account_config() is None


# --- Tracked values


@pytest.mark.parametrize(
    ("quantity", "price"),
    [(1, 1.0), (0.5, 1.0), (D(-1), 1.0), (D(1), 0.0), (D(1), -1.0), (D(1), None), (D(1), float("nan"))],
)
def test_a_tracked_value_that_makes_no_sense_is_refused(quantity: Any, price: Any):
    with pytest.raises(InvalidValue):
        AssetWithTrackedValue(VWETH, quantity, price, T0)


def test_a_tracked_value_changes_whole_or_not_at_all():
    value = AssetWithTrackedValue(VWETH, D("0.5"), 2000.0, T0)
    assert value.get_usd_value() == 1000.0
    value.change_quantity_and_value(D("-0.2"), 2100.0, T0)
    assert (value.quantity, value.last_usd_price) == (D("0.3"), 2100.0)
    before = dataclasses.replace(value)
    with pytest.raises(InvalidTrade):
        value.change_quantity_and_value(D("-0.4"), 2200.0, T0)
    with pytest.raises(InvalidValue):
        value.change_quantity_and_value(D("-0.1"), 0.0, T0)
    assert value == before
    value.change_quantity_and_value(D("-0.4"), 2200.0, T0, allow_negative=True)
    assert value.quantity == 0


@pytest.mark.parametrize("price", [0.0, -1.0, 1_000_000.0, 5, float("nan"), None])
def test_a_tracked_value_is_not_revalued_to_nonsense(price: Any):
    value = AssetWithTrackedValue(VWETH, D("0.5"), 2000.0, T0)
    with pytest.raises(InvalidValue):
        value.revalue(price, T0)
    assert value.last_usd_price == 2000.0


def test_types_of_lending_tokens():
    assert [kind.value for kind in AssetType] == ["token", "collateral", "borrowed"]
