import { memoriesCreate, memoriesRecall } from "./generated/orval/index.js"

export const storeAndRecall = async (_: string, title: string): Promise<ReadonlyArray<string>> => {
  const stored = await memoriesCreate({ title, content: "by orval" })
  if (stored.status !== 201) throw new Error(JSON.stringify(stored.data))
  const found = await memoriesRecall({ context: title })
  if (found.status !== 200) throw new Error(JSON.stringify(found.data))
  return found.data.memories.map((memory) => memory.title)
}
