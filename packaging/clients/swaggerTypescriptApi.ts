import { Api } from "./generated/swaggerTypescriptApi/api.js"

export const storeAndRecall = async (baseUrl: string, title: string): Promise<ReadonlyArray<string>> => {
  const { api } = new Api({ baseUrl })
  await api.memoriesCreate({ title, content: "by swagger-typescript-api" })
  const { data } = await api.memoriesRecall({ context: title })
  return data.memories.map((memory) => memory.title)
}
