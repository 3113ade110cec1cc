// Compiles the contracts of this folder into Contract.json files beside them.
//
//   npm install --prefix /tmp/compiler --ignore-scripts solc@0.8.37 @openzeppelin/contracts@5.7.0
//   node compile.js /tmp/compiler/node_modules
const fs = require("fs");
const path = require("path");

const modules = path.resolve(process.argv[2]);
const solc = require(path.join(modules, "solc"));
const names = fs.readdirSync(__dirname).filter((name) => name.endsWith(".sol"));
const input = {
  language: "Solidity",
  sources: Object.fromEntries(
    names.map((name) => [name, { content: fs.readFileSync(path.join(__dirname, name), "utf8") }])
  ),
  settings: {
    evmVersion: "paris",
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};

function read(name) {
  const file = path.join(modules, name);
  return fs.existsSync(file) ? { contents: fs.readFileSync(file, "utf8") } : { error: `no ${file}` };
}

const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
for (const problem of output.errors || []) console.error(problem.formattedMessage);
if ((output.errors || []).some((problem) => problem.severity === "error")) process.exit(1);
for (const name of names) {
  const contract = path.basename(name, ".sol");
  const { abi, evm } = output.contracts[name][contract];
  const text = JSON.stringify({ contractName: contract, abi, bytecode: "0x" + evm.bytecode.object });
  fs.writeFileSync(path.join(__dirname, contract + ".json"), text + "\n");
}
