/** All figures: adjusted for deposits, and apart from them those that are defined as in recorded files. */
import { type apiTypes, makeURL, under } from "../data/api";
import { toTable } from "../data/table";
import { useAnswer } from "../data/use_answer";
import { formatPercent, formatSignedPercent, formatSignedUsd, showFigure, visible } from "../format";
import { linkTo, type Route } from "../route";
import { Card, Profit, signClass } from "../ui/bits";
import { FileButtons, nameTable } from "../ui/file_buttons";
import { Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import type { PageProps } from "./strategy";

export function StatisticsPage({ route, id, at, version }: PageProps) {
  const answer = useAnswer<apiTypes.StatisticsView>(makeURL(under(id, "/views/statistics"), { at }), version);
  return (
    <Show answer={answer} height={600}>
      {(data) => (
        <>
          <div class="line part">
            <h2>Adjusted: deposits and redemptions are no profit</h2>
            <span class="tools">
              <FileButtons file={nameTable(id, "figures", at)} what="all figures" />
            </span>
          </div>
          <div class="groups">
            {data.groups.map((group) => (
              <FigureGroup key={group.title} group={group} />
            ))}
          </div>
          <Card title="Returns by month" tools={<FileButtons file={nameTable(id, "months", at)} what="months" />}>
            {data.months.length === 0 ? <Empty>Too few samples for a month.</Empty> : <Months months={data.months} years={data.years} route={route} />}
          </Card>
          <Card title="Years" tools={<FileButtons file={nameTable(id, "years", at)} what="years" />}>
            {data.years.length === 0 ? <Empty>Too few samples.</Empty> : <Years years={data.years} />}
          </Card>
          {data.breakdowns.map((table) => (
            <Card key={table.name} title={`Closed positions ${(table.columns[0]?.name ?? "").replace(/^By/, "by")}`}>
              <Table table={toTable(table)} label={`positions by ${table.name}`} prefix={`b${table.name}`} nothing="None." height={320} canSearch={false} file={nameTable(id, `by-${table.name}`, at)} />
            </Card>
          ))}
          <h2 class="part">Recorded: defined as in recorded files and existing dashboards</h2>
          <Card title="Key metrics" tools={<FileButtons file={nameTable(id, "metrics", at)} what="key metrics" />}>
            <Metrics metrics={data.recorded} />
          </Card>
          <Card title="Long and short positions" tools={<FileButtons file={nameTable(id, "sides", at)} what="long and short positions" />}>
            <Sides rows={data.sides} />
          </Card>
        </>
      )}
    </Show>
  );
}

export function FigureGroup({ group }: { group: apiTypes.FigureGroupView }) {
  return (
    <Card title={group.title}>
      <dl class="facts">
        {group.figures.map((figure) => (
          <div key={figure.key} {...(figure.help ? { title: figure.help } : {})}>
            <dt>{figure.name}</dt>
            <dd>
              <span class={`number ${figure.unit === "fraction" || figure.unit === "usd" ? signClass(typeof figure.value === "number" && figure.value < 0 ? figure.value : 0) : ""}`}>
                {showFigure(figure.text)}
                {figure.unit === "usd" && figure.value !== null && <small> USD</small>}
              </span>
              {figure.note && <small class="faint">{visible(figure.note)}</small>}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function Years({ years }: { years: apiTypes.YearView[] }) {
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Years">
      <table>
        <thead>
          <tr>
            <th scope="col">Year</th>
            <th scope="col" class="gain">
              Return
            </th>
            <th scope="col" class="profit">
              Profit, USD
            </th>
            <th scope="col" class="gain">
              Buy and hold
            </th>
          </tr>
        </thead>
        <tbody>
          {[...years].reverse().map((year) => (
            <tr key={year.label}>
              <th scope="row">{year.label}</th>
              <td class={`gain ${signClass(year.value)}`}>{formatSignedPercent(year.value)}</td>
              <td class="profit">
                <Profit value={year.profit} />
              </td>
              <td class="gain">{formatSignedPercent(year.benchmark)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A month of a year as the server names it. */
export function nameMonth(year: number, month: number): string {
  return `${year + Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, "0")}`;
}

function Months({ months, years, route }: { months: apiTypes.YearView[]; years: apiTypes.YearView[]; route: Route }) {
  const byLabel = new Map(months.map((month) => [month.label, month]));
  const rows = [...new Set(months.map((month) => month.label.slice(0, 4)))].reverse();
  const most = Math.max(...months.map((month) => Math.abs(month.value ?? 0)), 1e-9);
  const ofYear = new Map(years.map((year) => [year.label, year]));
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Returns by month">
      <table class="months">
        <thead>
          <tr>
            <th scope="col">Year</th>
            {MONTHS.map((month) => (
              <th key={month} scope="col" class="gain">
                {month}
              </th>
            ))}
            <th scope="col" class="gain">
              Year
            </th>
            <th scope="col" class="gain">
              Buy and hold
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((year) => (
            <tr key={year}>
              <th scope="row">{year}</th>
              {MONTHS.map((month, at) => {
                const found = byLabel.get(nameMonth(Number(year), at));
                const value = found?.value;
                const share = typeof value === "number" ? Math.round((Math.abs(value) / most) * 4) : 0;
                return (
                  <td key={month} class={`gain heat ${signClass(value)} heat-${share}`}>
                    {typeof value === "number" && (
                      <a
                        href={linkToMonth(route, nameMonth(Number(year), at))}
                        title={`${formatSignedUsd(found?.profit)} USD in ${month} ${year}: the positions that were closed in it`}
                      >
                        {formatPercent(value, 1).replace(/\s%$/, "")}
                      </a>
                    )}
                  </td>
                );
              })}
              <td class={`gain ${signClass(ofYear.get(year)?.value)}`}>{formatSignedPercent(ofYear.get(year)?.value)}</td>
              <td class="gain">{formatSignedPercent(ofYear.get(year)?.benchmark)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint">Months in percent; a month leads to the positions that were closed in it. The first and the last one may be incomplete.</p>
    </div>
  );
}

/** The closed positions of a month such as `2024-01`, the largest profit first. */
export function linkToMonth(route: Route, label: string): string {
  const after = nameMonth(Number(label.slice(0, 4)), Number(label.slice(5, 7)));
  return linkTo(route, "positions", "", { cq: `closed>=${label} closed<${after}`, csort: "-Profit, USD" });
}

function Metrics({ metrics }: { metrics: apiTypes.MetricView[] }) {
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Key metrics">
      <table>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col" class="usd">
              Value
            </th>
            <th scope="col">From</th>
            <th scope="col">Remark</th>
          </tr>
        </thead>
        <tbody>
          {metrics.map((metric) => (
            <tr key={metric.name}>
              <td>{metric.name}</td>
              <td class="usd">{visible(metric.text)}</td>
              <td>{metric.source}</td>
              <td class="wide">{visible(metric.caveat || metric.reason)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Sides({ rows }: { rows: apiTypes.SidesRowView[] }) {
  const groups = [...new Set(rows.map((row) => row.group))];
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Long and short positions">
      <table>
        <thead>
          <tr>
            <th scope="col">Figure</th>
            <th scope="col" class="usd">
              All
            </th>
            <th scope="col" class="usd">
              Long
            </th>
            <th scope="col" class="usd">
              Short
            </th>
          </tr>
        </thead>
        {groups.map((group) => (
          <tbody key={group}>
            <tr>
              <th scope="rowgroup" colSpan={4} class="group">
                {group}
              </th>
            </tr>
            {rows
              .filter((row) => row.group === group)
              .map((row) => (
                <tr key={row.label} {...(row.caveat ? { title: row.caveat } : {})}>
                  <td>
                    {row.label}
                    {row.caveat && <small class="faint"> ({row.caveat})</small>}
                  </td>
                  <td class="usd">{visible(row.all)}</td>
                  <td class="usd">{visible(row.long)}</td>
                  <td class="usd">{visible(row.short)}</td>
                </tr>
              ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}
