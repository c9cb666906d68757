/*
 * What `/docs` fills in as the body of each operation, and client generators write into their own documents. Whoever sends
 * one as it stands is answered with success, where the memories that it names are there.
 */

const MEMORY = "0f8fad5b-d9cb-469f-a165-70867728950e"
const OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
const AGENT = "alice"
const NAMESPACE = "team/ops"
const STAMP = "2026-01-05T09:00:00.000000000+00:00"

const memory = {
  title: "Deploys go out on Tuesdays",
  content: "The release train leaves at ten, and nothing is deployed on Fridays.",
  tier: "long",
  namespace: NAMESPACE,
  tags: ["deploys"],
  priority: 7
}
const link = { source_id: MEMORY, target_id: OTHER, relation: "derived_from" }
const standard = { governance: { write: "any", promote: "any", delete: "owner", approver: "human", inherit: true } }

/** By the id of the operation. */
export const bodies: Readonly<Record<string, object>> = {
  "undo.quarantine": { agent: "poisoned", since: STAMP, reason: "its key was stolen" },
  "memories.create": { ...memory, on_conflict: "merge" },
  "memories.update": { content: "The release train leaves at eleven.", tags: ["deploys", "trains"] },
  "memories.recall": { context: "when may I deploy", namespace: NAMESPACE, limit: 5 },
  "archive.bulk": [
    { ...memory, title: "The staging cluster is in Vienna", content: "Its addresses end in .13." },
    { ...memory, title: "The backups run at three", content: "They take twenty minutes." }
  ],
  "archive.archive": { ids: [MEMORY], reason: "no longer true" },
  "archive.forget": { namespace: NAMESPACE, pattern: "staging" },
  "graph.link": link,
  "graph.unlink": link,
  "graph.kgQuery": { source_id: MEMORY, max_depth: 2 },
  "graph.kgInvalidate": { ...link, valid_until: STAMP },
  "graph.registerEntity": { canonical_name: "Staging", namespace: NAMESPACE, aliases: ["stage", "stg"] },
  "graph.checkDuplicate": { title: memory.title, content: memory.content, namespace: NAMESPACE, threshold: 0.85 },
  "governance.setStandard": { namespace: NAMESPACE, ...standard },
  "governance.setStandardAt": standard,
  "governance.decide": { decision: "approve" },
  "agents.register": { agent_id: AGENT, agent_type: "human", capabilities: ["read", "write"] },
  "agents.bindKey": { pubkey_b64: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
  "agents.notify": { target_agent_id: AGENT, title: "The train is late", payload: "It leaves at eleven today." },
  "data.import": {
    memories: [{
      id: MEMORY,
      ...memory,
      confidence: 1,
      source: "import",
      access_count: 0,
      created_at: STAMP,
      updated_at: STAMP,
      metadata: { agent_id: AGENT }
    }]
  },
  "data.consolidate": {
    ids: [MEMORY, OTHER],
    title: "How we deploy",
    summary: "On Tuesdays, by the release train.",
    namespace: NAMESPACE
  },
  "data.sessionStart": { namespace: NAMESPACE, limit: 10, agent_id: AGENT },
  "subscriptions.subscribe": {
    url: "https://hooks.example.org/changes",
    events: ["memory_store"],
    secret: "correct-horse"
  },
  "sync.push": { sender_agent_id: "host:example", memories: [] },
  "sync.sinceVector": { vv: {} },
  "sync.revocations": { revocations: [], credentials: [] },
  "sync.vectors": { embedder: "ollama:nomic-embed-text@768", dimensions: 768, ids: [] },
  "federation.resolveConflict": { keep: "winner" }
}
