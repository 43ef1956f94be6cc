import { memo } from 'react'
import { blocks, type Piece } from './markdown'

/** What the assistant wrote. */
export const Prose = memo(function Prose({ text }: { text: string }) {
  return (
    <div className="flex max-w-[46rem] flex-col gap-2 text-base">
      {blocks(text).map((block, i) => {
        switch (block.kind) {
          case 'heading':
            return (
              <h3 key={i} className="text-sm font-semibold">
                <Pieces of={block.pieces} />
              </h3>
            )
          case 'text':
            return (
              <p key={i} className="whitespace-pre-line">
                <Pieces of={block.pieces} />
              </p>
            )
          case 'code':
            return (
              <pre
                key={i}
                tabIndex={0}
                className="overflow-x-auto rounded-md border border-line bg-sunken px-3 py-2 font-mono text-xs"
              >
                {block.text}
              </pre>
            )
          case 'list': {
            const List = block.ordered ? 'ol' : 'ul'
            return (
              <List key={i} className={`flex flex-col gap-1 pl-5 ${block.ordered ? 'list-decimal' : 'list-disc'}`}>
                {block.items.map((pieces, j) => (
                  <li key={j}>
                    <Pieces of={pieces} />
                  </li>
                ))}
              </List>
            )
          }
          case 'table':
            return (
              <div
                key={i}
                className="overflow-x-auto rounded-md border border-line"
                tabIndex={0}
                role="region"
                aria-label="Table"
              >
                <table className="num w-full text-left text-xs">
                  <thead className="bg-sunken">
                    <tr>
                      {block.head.map((cell, j) => (
                        <th key={j} scope="col" className="px-2.5 py-1.5 font-medium">
                          <Pieces of={cell} />
                        </th>
                      ))}
                    </tr>
                  </thead>
                  <tbody>
                    {block.rows.map((row, j) => (
                      <tr key={j} className="border-t border-line">
                        {row.map((cell, k) => (
                          <td key={k} className="px-2.5 py-1">
                            <Pieces of={cell} />
                          </td>
                        ))}
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )
        }
      })}
    </div>
  )
})

function Pieces({ of }: { of: readonly Piece[] }) {
  return of.map(({ text, look }, i) => {
    if (look === 'strong') return <strong key={i}>{text}</strong>
    if (look === 'em') return <em key={i}>{text}</em>
    if (look === 'code')
      return (
        <code key={i} className="rounded-sm bg-hover px-1 font-mono text-[0.9em]">
          {text}
        </code>
      )
    return text
  })
}
