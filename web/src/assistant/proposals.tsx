import type { Schema } from '@/lib/api'
import { useCommands, type Command } from '@/lib/commands'
import { Button } from '@/ui/button'
import { cx } from '@/ui/cx'
import { Kbd } from '@/ui/kbd'
import { Badge } from '@/ui/status'
import { None } from '@/ui/values'
import { Check, Equal, Minus, X } from 'lucide-react'
import { useEffect, useMemo, useRef, type ReactNode } from 'react'
import { keyText, type Card } from './conversation'
import { Frame } from './frame'
import { useAnswering } from './use-conversation'

type Proposal = Schema<'AgentMatchProposal'>
type Decision = 'accept' | 'reject' | 'skip'

const decisions: readonly { action: Decision; label: string; keys: string; said: string }[] = [
  { action: 'accept', label: 'They belong together', keys: 'y', said: 'belong together' },
  { action: 'reject', label: 'They do not', keys: 'n', said: 'do not belong together' },
  { action: 'skip', label: 'Not sure', keys: 's', said: 'left open' },
]

const icons = {
  accept: <Check size={14} className="text-ok" aria-hidden />,
  reject: <X size={14} className="text-bad" aria-hidden />,
  skip: undefined,
}

const why = {
  pass: 'The rules match them',
  near: 'The closest pair that the rules do not match',
  ambiguous: 'Another record fits as well',
}

/** Pairs of records, one after the other: do they belong together? */
export function Proposals({ cards }: { cards: readonly Card[] }) {
  const now = cards.find((card) => card.open)
  const place = now ? cards.indexOf(now) + 1 : cards.length
  return (
    <Frame
      title={now ? 'Do these records belong together?' : 'Examples'}
      aside={now && <span className="num text-xs text-muted">{`pair ${place} of ${cards.length}`}</span>}
    >
      {cards.some((card) => !card.open) && (
        <ul>{cards.map((card) => !card.open && <Decided key={card.id} card={card} />)}</ul>
      )}
      {now?.match_proposal && (
        <div className="flex flex-col gap-3 p-3.5">
          <Pair proposal={now.match_proposal} />
          <Decide id={now.id} />
        </div>
      )}
    </Frame>
  )
}

/** The answers to a pair, by buttons and by keys. */
function Decide({ id }: { id: string }) {
  const { busy, answer } = useAnswering()
  const box = useRef<HTMLDivElement>(null)
  const pressed = useRef(false)
  const commands = useMemo<Command[]>(
    () =>
      busy
        ? []
        : decisions.map(({ action, label, keys }) => ({
            id: `proposal.${action}`,
            label: `Pair of records: ${label.toLowerCase()}`,
            group: 'This page',
            keys,
            run: () => answer(id, { action }),
          })),
    [id, busy, answer],
  )
  useCommands(commands)
  // Whoever pressed a button has that of the next pair at hand.
  useEffect(() => {
    if (!pressed.current || busy) return
    pressed.current = false
    box.current?.querySelector('button')?.focus()
  }, [id, busy])
  return (
    <div ref={box} className="flex flex-wrap items-center gap-2">
      {decisions.map(({ action, label, keys }) => (
        <Button
          key={action}
          look={action === 'skip' ? 'quiet' : 'secondary'}
          icon={icons[action]}
          disabled={busy}
          onClick={() => {
            pressed.current = true
            answer(id, { action })
          }}
        >
          {label}
          <span className="max-sm:hidden">
            <Kbd keys={keys} />
          </span>
        </Button>
      ))}
    </div>
  )
}

function Decided({ card }: { card: Card }) {
  const proposal = card.match_proposal
  if (!proposal) return null
  const action = card.answer?.action
  const decision = decisions.find((d) => d.action === action)
  const Icon = action === 'accept' ? Check : action === 'reject' ? X : Minus
  return (
    <li className="border-b border-line last:border-0">
      <details>
        <summary className="flex cursor-pointer flex-wrap items-center gap-x-2 px-3.5 py-2 text-sm hover:bg-hover">
          <Icon
            size={14}
            aria-hidden
            className={cx(action === 'accept' ? 'text-ok' : action === 'reject' ? 'text-bad' : 'text-faint')}
          />
          <span className="num min-w-0 font-medium break-all">{keyText(proposal.left.key)}</span>
          <span className="text-muted">and</span>
          <span className="num min-w-0 font-medium break-all">{keyText(proposal.right.key)}</span>
          <span className="text-muted">{decision?.said ?? 'not answered'}</span>
        </summary>
        <div className="px-3.5 pb-3">
          <Pair proposal={proposal} />
        </div>
      </details>
    </li>
  )
}

interface Field {
  left: string
  right: string
  values: [string | null, string | null]
  same: boolean
  difference?: string | undefined
}

/** Two records side by side: the columns that belong together, with what differs, then those of one side only. */
function Pair({ proposal }: { proposal: Proposal }) {
  const fields: Field[] = (proposal.fields ?? []).map((f) => ({
    left: f.left,
    right: f.right,
    values: [f.left_value, f.right_value],
    same: f.same,
    difference: f.difference,
  }))
  return (
    <div className="flex flex-col gap-2">
      <p className="text-xs text-muted">
        {why[proposal.why]}
        {proposal.pass && proposal.why !== 'near' ? <>, by the pass {proposal.pass}</> : null}.
      </p>
      <div
        className="overflow-x-auto rounded-md border border-line"
        tabIndex={0}
        role="region"
        aria-label="The two records"
      >
        <table className="w-full border-collapse text-sm">
          <thead className="bg-sunken text-left text-xs">
            <tr>
              <th scope="col" className="w-1/2 px-3 py-1.5 font-medium">
                Left <span className="num text-muted">{keyText(proposal.left.key)}</span>
              </th>
              <th scope="col" className="w-8">
                <span className="sr-only">Compared</span>
              </th>
              <th scope="col" className="w-1/2 px-3 py-1.5 font-medium">
                Right <span className="num text-muted">{keyText(proposal.right.key)}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {fields.map((field) => (
              <tr
                key={`${field.left} ${field.right}`}
                className={cx('border-t border-line align-top', !field.same && 'bg-warn-soft')}
              >
                <Value column={field.left} value={field.values[0]} />
                <td className="py-2 text-center">
                  {field.same ? (
                    <Equal size={14} className="inline text-ok" aria-label="the same" />
                  ) : (
                    <span className="text-warn" aria-label="different">
                      ≠
                    </span>
                  )}
                </td>
                <Value column={field.right} value={field.values[1]}>
                  {field.difference !== undefined && field.difference !== '' && (
                    <Badge tone="warn">
                      {field.difference.startsWith('-') ? `−${field.difference.slice(1)}` : `+${field.difference}`}
                    </Badge>
                  )}
                </Value>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Rest proposal={proposal} />
    </div>
  )
}

function Value({ column, value, children }: { column: string; value: string | null; children?: ReactNode }) {
  return (
    <td className="px-3 py-1.5">
      <span className="block text-xs text-muted">{column}</span>
      <span className="flex flex-wrap items-center gap-x-2">
        <span className="num min-w-0 break-words">{value === null ? <None /> : value}</span>
        {children}
      </span>
    </td>
  )
}

/** The columns that are compared with nothing. */
function Rest({ proposal }: { proposal: Proposal }) {
  const sides = (['left', 'right'] as const).map((side) => {
    const compared = new Set((proposal.fields ?? []).map((f) => f[side].toLowerCase()))
    const { columns, values } = proposal[side]
    return (columns ?? [])
      .map((column, i) => ({ column, value: values?.[i] ?? null }))
      .filter(({ column }) => !compared.has(column.toLowerCase()))
  })
  if (sides.every((columns) => columns.length === 0)) return null
  return (
    <details className="text-sm">
      <summary className="cursor-pointer text-xs text-accent">Their other columns</summary>
      <div className="mt-1.5 grid grid-cols-2 gap-x-6 max-sm:grid-cols-1">
        {sides.map((columns, i) => (
          <dl key={i} className="min-w-0">
            {columns.map(({ column, value }) => (
              <div key={column} className="flex justify-between gap-3 border-b border-line py-1 last:border-0">
                <dt className="text-muted">{column}</dt>
                <dd className="num min-w-0 text-right break-words">{value === null ? <None /> : value}</dd>
              </div>
            ))}
          </dl>
        ))}
      </div>
    </details>
  )
}
