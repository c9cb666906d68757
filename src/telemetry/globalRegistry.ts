import * as Metric from "effect/Metric"
import * as MetricHook from "effect/MetricHook"
import type * as MetricKey from "effect/MetricKey"
import type * as MetricKeyType from "effect/MetricKeyType"
import type { MetricLabel } from "effect/MetricLabel"
import { type MetricRegistry, MetricRegistryTypeId } from "effect/MetricRegistry"

/** One array for all updates: they are too many to make one each. */
const noLabels: ReadonlyArray<MetricLabel> = []

/** A cell of Effect's registry of the process, by the same way that every `Metric` of the program takes. */
const cell = <Type extends MetricKeyType.MetricKeyType.Untyped>(key: MetricKey.MetricKey<Type>) => {
  const metric = Metric.fromMetricKey(key).register()
  return MetricHook.make({
    get: () => metric.unsafeValue(noLabels),
    update: (value: MetricKeyType.MetricKeyType.InType<Type>) => metric.unsafeUpdate(value, noLabels),
    modify: (value: MetricKeyType.MetricKeyType.InType<Type>) => metric.unsafeModify(value, noLabels)
  })
}

/** Effect's registry of the process, which Effect's own exporters read. */
export const globalRegistry: MetricRegistry = {
  [MetricRegistryTypeId]: MetricRegistryTypeId,
  snapshot: () => Array.from(Metric.unsafeSnapshot()),
  get: cell,
  getCounter: cell,
  getFrequency: cell,
  getGauge: cell,
  getHistogram: cell,
  getSummary: cell
}
