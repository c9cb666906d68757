// One round: every kind of write prepared, made through one node while another is away, and looked at on all nodes.
import { setTimeout as sleep } from "node:timers/promises"
import { NotTaken } from "./kinds.mjs"

const LOOK_EVERY_MILLIS = 500
/** When no node has changed what it shows for so long, it stays as it is. Longer than each side's catch-up and retries. */
const QUIET_MILLIS = 20_000
const PREPARED_WITHIN_MILLIS = 15_000
/** Ours tells an original after 3 s what it heard elsewhere. A node that is stopped before that says it when it is back. */
const TOLD_AFTER_MILLIS = 5_000

const viewsOf = (nodes, { kind, namespace, prepared }) =>
  Promise.all(nodes.map(({ url }) => kind.view(url, namespace, prepared)))

const attempt = async (one, what, run) => {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof NotTaken)) throw error
    one.problem = `${what}: ${error.message}${one.views === undefined ? "" : ` (before: ${one.views.join(" | ")})`}`
  }
}

/** Looks until `isDone(views)` for all, or nothing changes any more. */
const look = async (nodes, cases, isDone, { quiet }) => {
  let changed = Date.now()
  for (;;) {
    let open = 0
    for (const one of cases) {
      if (one.problem !== undefined) continue
      const views = await viewsOf(nodes, one)
      if (JSON.stringify(views) !== JSON.stringify(one.views)) changed = Date.now()
      one.views = views
      if (!isDone(one, views)) open++
    }
    if (open === 0 || Date.now() - changed > quiet) return
    await sleep(LOOK_EVERY_MILLIS)
  }
}

const differences = (nodes, { kind, problem, views }) => {
  if (problem !== undefined) return [problem]
  if (views[0] !== kind.wanted && views.every((view) => view === views[0])) return [`all show “${views[0]}”`]
  return nodes.flatMap(({ name }, index) => views[index] === kind.wanted ? [] : [`${name} shows “${views[index]}”`])
}

/** What differs, by kind: a list of texts, empty where all nodes converged. */
export const round = async ({ away, entry, kinds, label, mesh }) => {
  const { nodes } = mesh
  const cases = kinds.map((kind, index) => ({ kind, namespace: `${label}/${index}`, prepared: undefined }))
  for (const one of cases) {
    one.prepared = await attempt(one, "preparing", async () => one.kind.prepare?.(entry.url, one.namespace))
  }
  await look(
    nodes,
    cases.filter(({ kind }) => kind.prepare !== undefined),
    (_, [first, ...others]) => others.every((view) => view === first),
    { quiet: PREPARED_WITHIN_MILLIS }
  )
  await sleep(TOLD_AFTER_MILLIS)
  if (away !== undefined) await mesh.stop(away)
  for (const one of cases) {
    if (one.problem === undefined) {
      await attempt(one, "the write", () => one.kind.write(entry.url, one.namespace, one.prepared))
    }
  }
  if (away !== undefined) await mesh.start(away)
  await look(nodes, cases, ({ kind }, views) => views.every((view) => view === kind.wanted), { quiet: QUIET_MILLIS })
  // What converged early can have been undone since.
  await look(nodes, cases, () => true, { quiet: 0 })
  return new Map(cases.map((one) => [one.kind.name, differences(nodes, one)]))
}
