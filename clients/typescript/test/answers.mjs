// Asks a server for every kind of answer about every strategy, and prints as JSON what its schema refuses, by address,
// and the number of answers: `node answers.mjs SERVER`
import { api, ClientError, fetchAnswer, fetchState, RequestFailed } from "../dist/index.js";

const [server] = process.argv.slice(2);
const problems = {};
let answers = 0;

async function ask(path, read) {
  try {
    await read(server + path);
    answers++;
  } catch (error) {
    if (!(error instanceof ClientError)) {
      throw error;
    }
    const isRefusal = error instanceof RequestFailed && error.status === 422; // a figure that the state does not have
    if (isRefusal) {
      api.ProblemSchema.parse(JSON.parse(error.body));
    } else {
      problems[path] = error.message;
    }
  }
}

const checked = (schema) => (url) => fetchAnswer(url, schema);

await ask("/v1/health", checked(api.HealthSchema));
const { strategies } = await fetchAnswer(`${server}/v1/strategies`, api.StrategyListSchema);
for (const { id } of strategies) {
  const base = `/v1/${id}`;
  await ask(`${base}/state`, fetchState);
  await ask(`/strategies/${id}/state`, fetchState);
  await ask(`${base}/positions?limit=1000`, checked(api.PageSchema));
  await ask(`${base}/trades?limit=1000`, checked(api.PageSchema));
  await ask(`${base}/statistics`, checked(api.StatisticsAnswerSchema));
  await ask(`${base}/statistics/samples`, checked(api.SamplesSchema));
  await ask(`${base}/charts/total_equity`, checked(api.SeriesSchema));
  await ask(`${base}/ledger`, checked(api.LedgerAnswerSchema));
  await ask(`${base}/history`, checked(api.HistorySchema));
  await ask(`/strategies/${id}/chart?type=total_equity`, checked(api.ClientChartSchema));
  await ask(`/strategies/${id}/chart-registry/pairs`, checked(api.ChartPairsSchema));
  const { items } = await fetchAnswer(`${server}${base}/positions?limit=1000`, api.PageSchema);
  for (const { position_id } of items.slice(0, 3)) {
    await ask(`/strategies/${id}/position-chart/${position_id}`, checked(api.PositionChartSchema));
  }
}
console.log(JSON.stringify({ problems, answers, strategies: strategies.length }));
