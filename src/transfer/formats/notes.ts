/* What is to be known of notes without reading one. */

/** The field of the front matter by which a note of our own export is known. */
export const OURS = "quorate"

/** Of the files of notes. */
export const ENDING = /\.(?:md|markdown|mdown|txt)$/i

/** A name as links write it: in any case, with or without the ending of the file. */
export const nameOf = (text: string): string =>
  text.normalize("NFC").trim().replace(/^\.?\//, "").replace(ENDING, "").toLowerCase()
