import type { MetricBoundaries } from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import type { MetricRegistry } from "effect/MetricRegistry"

/**
 * Makes series in one registry. Each is a plain function that updates a cell found once: some run tens of thousands of times
 * a second, so an update is at most a lookup by a string, and an addition.
 */
export interface Series {
  readonly counter: (name: string, description: string) => (amount: number) => void
  readonly gauge: (name: string, description: string) => (value: number) => void
  readonly histogram: (name: string, description: string, boundaries: MetricBoundaries) => (value: number) => void
  /** With one label whose values are all known; each is registered at once, so that zero is visible. */
  readonly counterBy: <Value extends string>(options: {
    readonly name: string
    readonly description: string
    readonly label: string
    readonly values: ReadonlyArray<Value>
  }) => (value: Value) => void
  /** With a label whose values come with the updates. */
  readonly counterOf: (label: string, name: string, description: string) => Cells
  readonly gaugeOf: (label: string, name: string, description: string) => Cells
  readonly histogramOf: (
    label: string,
    name: string,
    description: string,
    boundaries: MetricBoundaries
  ) => Cells
  /** With two such labels, the first bounded, the second a number out of few. */
  readonly counterOfBoth: (
    label: string,
    second: string,
    name: string,
    description: string
  ) => (value: string, second: number) => (amount: number) => void
}

/** The update of the series of one value of a label. */
type Cells = (value: string) => (amount: number) => void

/** Distinct values of a label with an open set (peers, routes) at most; the rest share the value `other`. */
const MAX_LABEL_VALUES = 256
const OTHER = "other"

export const make = (registry: MetricRegistry): Series => {
  const counter = (name: string, description: string, labels: Labels = []) =>
    registry.getCounter(MetricKey.taggedWithLabels(counterKey(name, description), labels)).update
  const gauge = (name: string, description: string, labels: Labels = []) =>
    registry.getGauge(MetricKey.taggedWithLabels(MetricKey.gauge(name, { description }), labels)).update
  const histogram = (
    name: string,
    description: string,
    boundaries: MetricBoundaries,
    labels: Labels = []
  ) => {
    const key = MetricKey.histogram(name, boundaries, description)
    return registry.getHistogram(MetricKey.taggedWithLabels(key, labels)).update
  }

  return {
    counter,
    gauge,
    histogram,
    counterBy: ({ description, label, name, values }) => {
      const cells = new Map(values.map((value) => [value, counter(name, description, labelled(label, value))]))
      return (value) => cells.get(value)?.(1)
    },
    counterOf: (label, name, description) => bounded((value) => counter(name, description, labelled(label, value))),
    gaugeOf: (label, name, description) => bounded((value) => gauge(name, description, labelled(label, value))),
    histogramOf: (label, name, description, boundaries) =>
      bounded((value) => histogram(name, description, boundaries, labelled(label, value))),
    counterOfBoth: (label, second, name, description) => {
      const cells = bounded((value) =>
        kept((number: number) =>
          counter(name, description, [...labelled(label, value), ...labelled(second, String(number))])
        )
      )
      return (value, number) => cells(value)(number)
    }
  }
}

/** What is made of each key, once. */
const kept = <Key, Made>(make: (key: Key) => Made): (key: Key) => Made => {
  const known = new Map<Key, Made>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined) return found
    const made = make(key)
    known.set(key, made)
    return made
  }
}

/** What is made of each value of an open set, once; of the values beyond the bound, what is made of `other`. */
const bounded = <Made>(make: (value: string) => Made): (value: string) => Made => {
  const known = new Map<string, Made>()
  let other: Made | undefined
  return (value) => {
    const found = known.get(value)
    if (found !== undefined) return found
    if (known.size >= MAX_LABEL_VALUES) return other ??= make(OTHER)
    const made = make(value)
    known.set(value, made)
    return made
  }
}

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

const labelled = (label: string, value: string): Labels => [MetricLabel.make(label, value)]

const counterKey = (name: string, description: string) => MetricKey.counter(name, { description, incremental: true })
