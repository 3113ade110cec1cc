"""Command lines of every command, for tests that run all of them."""

#: Command lines by command; S is a state file, D a strategy in a database, DB the database, F a folder, C a strategy.
COMMAND_LINES: dict[str, list[str]] = {
    "audit": ["S", "S --entries", "S --json", "S --entries --json", "D"],
    "backtest": ["C --data S"],
    "blacklist": ["S", "S --json", "S --add-token 0x0000000000000000000000000000000000000001 --dry-run"],
    "chart": ["--list", "nothing S", "price S -o F/price.html", "equity S -o F/equity.html"],
    "check-accounts": ["S", "S --write-balances F/balances.csv", "S --balances F/balances.csv --all"],
    "check-position-triggers": ["S --chain F/missing.json", "S --chain S --json"],
    "check-trades": ["S", "S --json"],
    "close-all": ["S --chain F/missing.json", "S --chain S --json"],
    "close-position": ["S --position-id 1 --write-off --dry-run", "S --close-dust --dry-run"],
    "compare": ["S S", "S S --json", "S D"],
    "console": ["S --code state.name", "S --code state", "S --code trades()", "S --code raise(ValueError(state.name))"],
    "correct-accounts": ["S --balances F/balances.csv --dry-run"],
    "correct-history": ["S --dry-run", "S --before 2024-01-01 --dry-run"],
    "dashboard": ["F/missing.json --no-browser", "C --no-browser"],
    "demo": ["--output F/demo"],
    "demo-live": ["--output S"],
    "download": [
        "S --from 2024-01-01",
        "F/missing.toml --from 2024-01-01",
        "--exchange nothing --pair BTC/USD --time-frame 1h --from 2024-01-01",
    ],
    "export": ["S --columns", "S -o F/tables", "S -o F/tables", "S -o F/again --json"],
    "fleet": ["F/missing.toml", "C", "S --status", "F/missing.toml --status --json"],
    "init": ["S", "F/new.json"],
    "lookahead": ["C --data S", "C --data S --json"],
    "optimize": ["C --param share=0.1 --data S", "C --param share=0.1 --data S --json"],
    "perform-test-trade": ["S --chain F/missing.json", "S --chain S --json"],
    "prune-state": ["S --dry-run", "S --dry-run --json"],
    "query": ["select(1)as(one),*from(trades) S", "select(1) S --json", "from(positions) D", "from(nothing) S"],
    "repair": ["S --dry-run", "S --dry-run --json"],
    "report": ["S -o F/report.html"],
    "reset-state": ["S --dry-run", "S --dry-run --json", "F/copy.json --yes"],
    "retry": ["S --dry-run", "S --data S --dry-run"],
    "schema": ["--definition Trigger", "--definition Nothing", "--output F/schema.json"],
    "show-positions": ["S", "S --position-type all", "S --position-type all --json", "D"],
    "show-statistics": ["S", "S --json", "F/missing.json"],
    "show-trades": ["S", "S --json"],
    "show-valuation": ["S", "S --json"],
    "start": ["C --state S", "S", "S S --paper --data F", "C S --paper --feed F/missing.toml"],
    "sync-treasury": ["S --events S --dry-run", "S --events F/missing.csv --dry-run"],
    "unprune-state": ["S --dry-run"],
    "validate": ["S", "D", "S D"],
    "version": [""],
    "webapi": ["F/missing.json", "C --port 0"],
    "store compact": ["D --keep 1 --dry-run"],
    "store convert": ["S D", "D F/copy-of-database.json"],
    "store diff": ["D", "D --json"],
    "store generations": ["S"],
    "store history": ["D", "D --json"],
    "store list": ["DB", "DB --json", "S"],
    "store recover": ["S", "D --at 1"],
    "store show": ["D", "D --json"],
    "store verify": ["S", "D"],
}


def fill(line: str, words: dict[str, str]) -> list[str]:
    """The words of a command line, with the letters of `COMMAND_LINES` replaced."""
    result: list[str] = []
    for word in line.split():
        head, slash, rest = word.partition("/")
        result.append(words.get(head, head) + slash + rest)
    return result
