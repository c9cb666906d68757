import { defaults, memoriesCreate, memoriesRecall } from "./generated/oazapfts/index.js"

export const storeAndRecall = async (baseUrl: string, title: string): Promise<ReadonlyArray<string>> => {
  defaults.baseUrl = baseUrl
  const stored = await memoriesCreate({ title, content: "by oazapfts" })
  if (stored.status !== 201) throw new Error(JSON.stringify(stored.data))
  const found = await memoriesRecall({ context: title })
  if (found.status !== 200) throw new Error(JSON.stringify(found.data))
  return found.data.memories.map((memory) => memory.title)
}
