/** What a model wants to be told with a text, and how long that may be. */
interface Family {
  readonly name: RegExp
  /** Before a question. */
  readonly query: string
  /** Before what is kept. */
  readonly document: string
  readonly maxTokens: number
}

/** Models that want to be told whether a text asks or tells, or that take less than the others. */
const FAMILIES: ReadonlyArray<Family> = [
  { name: /nomic-embed-text/, query: "search_query: ", document: "search_document: ", maxTokens: 512 },
  { name: /(?:^|[/_-])e5-(?:small|base|large)/, query: "query: ", document: "passage: ", maxTokens: 512 },
  {
    name: /mxbai-embed-large/,
    query: "Represent this sentence for searching relevant passages: ",
    document: "",
    maxTokens: 512
  },
  {
    name: /embeddinggemma/,
    query: "task: search result | query: ",
    document: "title: none | text: ",
    maxTokens: 512
  },
  { name: /all-minilm/, query: "", document: "", maxTokens: 256 }
]

/** All others. Many of them take more: a text in parts is found by its best one, and a long part is like nothing much. */
const OTHER: Omit<Family, "name"> = { query: "", document: "", maxTokens: 512 }

/** By the name under which a server knows the model. */
export const familyOf = (model: string): Omit<Family, "name"> =>
  FAMILIES.find(({ name }) => name.test(model.toLowerCase())) ?? OTHER
