import { cx } from '@/ui/cx'
import { useMemo } from 'react'
import { sideBySide, type LinePair } from './lines'

export interface DiffViewProps {
  before: string
  after: string
  /** What the two are: "Version 3". */
  beforeLabel: string
  afterLabel: string
}

const around = 3

/** Equal lines that are far from a change, as one entry with their number. */
function folded(pairs: readonly LinePair[]): (LinePair | number)[] {
  const near = pairs.map((_, i) => pairs.slice(Math.max(0, i - around), i + around + 1).some((p) => !p.same))
  const out: (LinePair | number)[] = []
  for (const [i, pair] of pairs.entries()) {
    if (near[i]) out.push(pair)
    else if (typeof out.at(-1) === 'number') out[out.length - 1] = (out.at(-1) as number) + 1
    else out.push(1)
  }
  return out
}

/** Two texts side by side, with what differs marked. */
export function DiffView({ before, after, beforeLabel, afterLabel }: DiffViewProps) {
  const rows = useMemo(() => folded(sideBySide(before, after)), [before, after])
  return (
    <div
      className="overflow-x-auto rounded-md border border-line"
      tabIndex={0}
      role="region"
      aria-label="Text side by side"
    >
      <table className="w-full table-fixed border-collapse font-mono text-xs max-sm:w-[720px]">
        <thead className="bg-sunken text-left font-sans">
          <tr>
            <th scope="col" className="w-1/2 px-3 py-1.5 font-medium">
              {beforeLabel}
            </th>
            <th scope="col" className="w-1/2 border-l border-line px-3 py-1.5 font-medium">
              {afterLabel}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) =>
            typeof row === 'number' ? (
              <tr key={i} className="border-y border-line bg-sunken text-center font-sans text-muted">
                <td colSpan={2} className="py-0.5">
                  {row} equal {row === 1 ? 'line' : 'lines'}
                </td>
              </tr>
            ) : (
              <tr key={i} className="align-top">
                <Side text={row.left} line={row.leftLine} same={row.same} mark="−" word="removed" tone="bg-bad-soft" />
                <Side
                  text={row.right}
                  line={row.rightLine}
                  same={row.same}
                  mark="+"
                  word="added"
                  tone="bg-ok-soft"
                  edge
                />
              </tr>
            ),
          )}
        </tbody>
      </table>
    </div>
  )
}

function Side(props: {
  text: string | undefined
  line: number | undefined
  same: boolean
  mark: string
  word: string
  tone: string
  edge?: boolean
}) {
  const { text, line, same, mark, word, tone, edge } = props
  const changed = !same && text !== undefined
  return (
    <td className={cx('px-2 py-px', edge && 'border-l border-line', changed ? tone : !same && 'bg-sunken')}>
      <span className="flex gap-2">
        <span aria-hidden className="num w-7 shrink-0 text-right text-muted select-none">
          {line}
        </span>
        <span aria-hidden className="w-2 shrink-0 select-none">
          {changed ? mark : ''}
        </span>
        {changed && <span className="sr-only">{word}: </span>}
        <span className="min-w-0 break-words whitespace-pre-wrap">{text}</span>
      </span>
    </td>
  )
}
