import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

/** In the Prometheus text format 0.0.4: series of one name stand together under one HELP and one TYPE, as the format demands; names are in order. */
export const encode = (pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>): string => {
  const families = new Map<string, Family>()
  for (const { metricKey, metricState } of pairs) {
    const name = plainName(metricKey.name)
    const type = typeOf(metricState)
    const family = families.get(name) ?? { type, help: Option.getOrElse(metricKey.description, () => ""), lines: [] }
    families.set(name, family)
    // Another kind under the same name has no place in the format.
    if (family.type !== type) continue
    family.lines.push(...linesOf(name, metricKey.tags.map(({ key, value }) => [plainLabel(key), value]), metricState))
  }
  return [...families]
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, { help, lines, type }]) =>
      `${help === "" ? "" : `# HELP ${name} ${escapeHelp(help)}\n`}# TYPE ${name} ${type}\n${lines.join("\n")}\n`
    )
    .join("")
}

type Type = "counter" | "gauge" | "histogram" | "summary" | "untyped"

interface Family {
  readonly type: Type
  readonly help: string
  readonly lines: Array<string>
}

type Label = readonly [name: string, value: string]

const typeOf = (state: unknown): Type => {
  if (MetricState.isCounterState(state) || MetricState.isFrequencyState(state)) return "counter"
  if (MetricState.isGaugeState(state)) return "gauge"
  if (MetricState.isHistogramState(state)) return "histogram"
  return MetricState.isSummaryState(state) ? "summary" : "untyped"
}

const linesOf = (name: string, labels: ReadonlyArray<Label>, state: unknown): ReadonlyArray<string> => {
  if (MetricState.isCounterState(state)) return [line(name, labels, state.count)]
  if (MetricState.isGaugeState(state)) return [line(name, labels, state.value)]
  if (MetricState.isFrequencyState(state)) {
    return Array.from(state.occurrences, ([word, count]) => line(name, [...labels, ["key", word]], count))
  }
  if (MetricState.isHistogramState(state)) {
    return [
      ...state.buckets
        .filter(([bound]) => Number.isFinite(bound))
        .map(([bound, count]) => line(`${name}_bucket`, [...labels, ["le", numberText(bound)]], count)),
      line(`${name}_bucket`, [...labels, ["le", "+Inf"]], state.count),
      line(`${name}_sum`, labels, state.sum),
      line(`${name}_count`, labels, state.count)
    ]
  }
  if (MetricState.isSummaryState(state)) {
    return [
      ...state.quantiles.map(([quantile, value]) =>
        line(name, [...labels, ["quantile", numberText(quantile)]], Option.getOrElse(value, () => Number.NaN))
      ),
      line(`${name}_sum`, labels, state.sum),
      line(`${name}_count`, labels, state.count)
    ]
  }
  return []
}

const line = (name: string, labels: ReadonlyArray<Label>, value: number | bigint) =>
  `${name}${labels.length === 0 ? "" : `{${labels.map(labelText).join(",")}}`} ${numberText(value)}`

const labelText = ([name, value]: Label) =>
  `${name}="${value.replaceAll("\\", "\\\\").replaceAll("\"", "\\\"").replaceAll("\n", "\\n")}"`

const escapeHelp = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

const numberText = (value: number | bigint) =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const plainName = (name: string) => name.replaceAll(/[^a-zA-Z0-9_:]/g, "_").replace(/^(?=[0-9])/, "_")
const plainLabel = (name: string) => name.replaceAll(/[^a-zA-Z0-9_]/g, "_").replace(/^(?=[0-9])/, "_")
