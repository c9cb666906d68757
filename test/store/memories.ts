import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import type * as Stamp from "../../src/domain/Stamp.js"

/** A memory that says little. */
export const memory = (id: string, title: string, stamp: Stamp.Stamp): Memory => ({
  id: MemoryId.make(id),
  tier: "long",
  namespace: "n",
  title,
  content: `content of ${title}`,
  tags: ["tag"],
  priority: 5,
  confidence: 0.5,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: { agent_id: "tester" }
})
