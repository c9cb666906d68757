import type { Scope } from "../../access/ApiKey.js"

/**
 * What a key must open for a route; `open` asks for no key, nor does `page`, which is there for people alone; `metrics` only where the settings do not open them, and `any` for one
 * that is good: what is asked for by way of that route needs more, and says so.
 */
export type Need = Scope | "open" | "page" | "metrics" | "any"

/**
 * A question is a read, whatever its method. What every client of an agent may do is a write, also where it can be undone by
 * nobody; `admin` is what is done to a node, or past what its rules are there for. Whether all endpoints are here, `calls/routes.ts` has checked.
 */
export const needs = {
  "operations.health": "open",
  "operations.live": "open",
  "operations.ready": "open",
  "memories.list": "read",
  "memories.get": "read",
  "memories.search": "read",
  "memories.recallQuery": "read",
  "memories.recall": "read",
  "memories.stats": "read",
  "archive.list": "read",
  "archive.stats": "read",
  "graph.links": "read",
  "graph.lineage": "read",
  "graph.kgQuery": "read",
  "graph.kgTimeline": "read",
  "graph.taxonomy": "read",
  "graph.entityByAlias": "read",
  "graph.checkDuplicate": "read",
  "governance.namespaces": "read",
  "governance.getStandard": "read",
  "governance.pending": "read",
  "governance.stream": "read",
  "agents.list": "read",
  "agents.inbox": "read",
  "agents.capabilities": "read",
  "data.export": "read",
  "data.contradictions": "read",
  "data.sessionStart": "read",
  "operations.metrics": "metrics",
  "operations.apiMetrics": "metrics",
  "federation.conflicts": "read",
  "federation.deadLetters": "read",
  "federation.deadLetter": "read",
  "subscriptions.changes": "read",
  "memories.create": "write",
  "memories.update": "write",
  "memories.remove": "write",
  "memories.promote": "write",
  "archive.bulk": "write",
  "archive.archive": "write",
  "archive.restore": "write",
  "archive.forget": "write",
  "archive.foresee": "read",
  "graph.link": "write",
  "graph.unlink": "write",
  "graph.kgInvalidate": "write",
  "graph.registerEntity": "write",
  "governance.approve": "write",
  "governance.reject": "write",
  "governance.decide": "write",
  "agents.register": "write",
  "agents.notify": "write",
  "data.consolidate": "write",
  "federation.resolveConflict": "write",
  "agents.bindKey": "admin",
  "archive.purge": "admin",
  "governance.setStandard": "admin",
  "governance.clearStandard": "admin",
  "governance.setStandardAt": "admin",
  "governance.clearStandardAt": "admin",
  "data.gc": "admin",
  "data.import": "admin",
  "federation.discardDeadLetter": "admin",
  "federation.retryDeadLetter": "admin",
  "undo.provenance": "admin",
  "undo.quarantines": "admin",
  "undo.quarantine": "admin",
  "undo.release": "admin",
  "undo.revert": "admin",
  "subscriptions.subscribe": "admin",
  "subscriptions.list": "admin",
  "subscriptions.unsubscribe": "admin",
  "subscriptions.unsubscribeAt": "admin",
  "subscriptions.deadEvents": "admin",
  "subscriptions.replayDeadEvent": "admin",
  "subscriptions.discardDeadEvent": "admin",
  "subscriptions.replay": "admin",
  "sync.push": "peer",
  "sync.hello": "peer",
  "sync.since": "peer",
  "sync.sinceVector": "peer",
  "sync.digests": "peer",
  "sync.vectors": "peer",
  "sync.revocations": "peer"
} as const satisfies Readonly<Record<string, Need>>

const byName = new Map<string, Need>(Object.entries(needs))

/** What an endpoint needs, by the names of its group and its own. */
export const needOf = (group: string, name: string): Need => byName.get(`${group}.${name}`) ?? "admin"
