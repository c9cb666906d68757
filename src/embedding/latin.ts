/** Of its letters, that many are Latin. */
const LEAST_LATIN = 0.3

/** Whether a model whose vocabulary has words of Latin letters alone makes something of a text: of others it knows single letters. */
export const isReadable = (text: string): boolean => {
  if (ASCII.test(text)) return true
  const others = text.match(OTHER_LETTERS)?.length ?? 0
  return others === 0 || others <= (1 - LEAST_LATIN) * (others + (text.match(LATIN_LETTERS)?.length ?? 0))
}

const ASCII = /^\p{ASCII}*$/u
const OTHER_LETTERS = /(?!\p{Script=Latin})\p{L}/gu
const LATIN_LETTERS = /\p{Script=Latin}/gu
