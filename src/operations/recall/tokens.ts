/**
 * Tokens of a text, estimated: a token of an English text has about four bytes, one of other alphabets about two characters, a
 * character of a script without blanks is about one token.
 */
export const tokensOf = (text: string): number => {
  let quarters = 0
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    quarters += unit < 0x80 ? 1 : unit < 0x0e00 ? 2 : unit >= 0xd800 && unit < 0xe000 ? 3 : 4
  }
  return Math.ceil(quarters / 4)
}
