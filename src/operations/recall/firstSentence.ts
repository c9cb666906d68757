/** Bytes would cut words; so many characters are about two lines. */
const MAX_CHARS = 200

/** The first sentence of a text, or its beginning where that is long. */
export const firstSentence = (text: string): string => {
  const line = text.trimStart().split("\n", 1)[0] ?? ""
  const sentence = /^.*?(?:[.!?](?=\s)|[。！？।])/u.exec(line)?.[0] ?? line
  const chars = Array.from(sentence)
  return chars.length <= MAX_CHARS ? sentence : `${chars.slice(0, MAX_CHARS - 1).join("")}…`
}
