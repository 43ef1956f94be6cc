// The Markdown that assistants write, as blocks and pieces of text. Links and pictures
// stay the text that they are: what a model was told by data must lead nowhere.

export interface Piece {
  text: string
  look?: 'strong' | 'em' | 'code'
}

export type Block =
  | { kind: 'text' | 'heading'; pieces: Piece[] }
  | { kind: 'list'; ordered: boolean; items: Piece[][] }
  | { kind: 'code'; text: string }
  | { kind: 'table'; head: Piece[][]; rows: Piece[][][] }

const inline = /`([^`]+)`|\*\*(?=\S)(.+?)(?<=\S)\*\*|\*(?=[^\s*])(.+?)(?<=[^\s*])\*/g

/** A line of text as pieces. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = []
  let end = 0
  for (const found of text.matchAll(inline)) {
    if (found.index > end) out.push({ text: text.slice(end, found.index) })
    const [all, code, strong, em] = found
    if (code !== undefined) out.push({ text: code, look: 'code' })
    else if (strong !== undefined) out.push({ text: strong, look: 'strong' })
    else if (em !== undefined) out.push({ text: em, look: 'em' })
    end = found.index + all.length
  }
  if (end < text.length) out.push({ text: text.slice(end) })
  return out
}

const item = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/
const cells = (line: string) =>
  line
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => pieces(cell.trim()))

/** A text as blocks. What is still being written ends wherever it does. */
export function blocks(text: string): Block[] {
  const out: Block[] = []
  const lines = text.split('\n')
  let open = false // whether the next line goes on with the last block
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    const last = open ? out.at(-1) : undefined
    open = true
    if (line.trim() === '') {
      open = false
      continue
    }
    if (line.startsWith('```')) {
      const close = lines.findIndex((l, j) => j > i && l.startsWith('```'))
      const to = close < 0 ? lines.length : close
      out.push({ kind: 'code', text: lines.slice(i + 1, to).join('\n') })
      i = to
      open = false
      continue
    }
    const heading = /^#{1,6}\s+(.*)$/.exec(line)
    if (heading) {
      out.push({ kind: 'heading', pieces: pieces(heading[1] ?? '') })
      open = false
      continue
    }
    if (last?.kind === 'table') {
      last.rows.push(cells(line))
      continue
    }
    if (line.includes('|') && /^[\s|:-]*-[\s|:-]*$/.test(lines[i + 1] ?? '')) {
      out.push({ kind: 'table', head: cells(line), rows: [] })
      i++
      continue
    }
    const entry = item.exec(line)
    if (entry) {
      const ordered = entry[1] !== undefined
      const words = pieces(entry[2] ?? '')
      // An item behind an empty line goes on with the list all the same.
      const list = out.at(-1)
      if (list?.kind === 'list' && list.ordered === ordered) list.items.push(words)
      else out.push({ kind: 'list', ordered, items: [words] })
      continue
    }
    if (last?.kind === 'text') last.pieces.push({ text: '\n' }, ...pieces(line))
    else if (last?.kind === 'list') last.items.at(-1)?.push({ text: ' ' }, ...pieces(line.trim()))
    else out.push({ kind: 'text', pieces: pieces(line) })
  }
  return out
}
