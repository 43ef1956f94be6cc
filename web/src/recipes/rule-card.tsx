import { cx } from '@/ui/cx'
import { Button, IconButton } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Menu } from '@/ui/menu'
import { Select } from '@/ui/select'
import { isDecimal } from '@/lib/decimal'
import { ArrowDown, ArrowUp, Ellipsis, Pencil, Plus, Trash2, X } from 'lucide-react'
import { useState, type ReactNode, type SubmitEvent } from 'react'
import type { SideColumns } from './columns'
import { ColumnChoice, ConditionForm } from './condition-form'
import { replaced, settled, type Condition, type Pass, type Sum } from './model'
import { cardinalities, conditionText, sumText } from './words'

export interface RuleCardProps {
  /** From 1. */
  number: number
  pass: Pass
  columns: SideColumns
  left: string
  right: string
  /** Undefined where it may not be changed now. */
  onChange: ((pass: Pass) => void) | undefined
  onRemove?: () => void
  onMove?: (by: -1 | 1) => void
  /** Beside the name: whether it is used, what it brings. */
  aside?: ReactNode
  /** Below a condition: what speaks for it. */
  note?: (condition: Condition) => ReactNode
  /** Below the name. */
  about?: ReactNode
  dimmed?: boolean
}

/** One pass: its conditions in words, each of which can be changed. */
export function RuleCard(props: RuleCardProps) {
  const { number, pass, columns, left, right, onChange, onRemove, onMove, aside, note, about, dimmed } = props
  // What a dialog asks for: the condition at a place, a new one, the balance, or the name.
  const [asking, setAsking] = useState<number | 'new' | 'sum' | 'name'>()
  const when = pass.when ?? []
  const group = pass.cardinality !== undefined && pass.cardinality !== 'one_to_one'
  const name = pass.name ?? `pass ${number}`
  const close = () => setAsking(undefined)
  const change = (next: Partial<Pass>) => onChange?.(settled({ ...pass, ...next }))

  return (
    <section aria-label={`Pass ${number}, ${name}`} className={cx('card flex flex-col', dimmed && 'opacity-60')}>
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1.5 border-b border-line px-3 py-2">
        <span className="num flex size-5 shrink-0 items-center justify-center rounded-full bg-hover text-xs text-muted">
          {number}
        </span>
        <h3 className="min-w-32 flex-1 text-sm font-semibold break-words max-sm:basis-3/4">{name}</h3>
        {aside}
        <span className="w-32 shrink-0">
          <Select
            small
            aria-label={`How many records ${name} matches`}
            value={pass.cardinality}
            placeholder="Every pair"
            disabled={!onChange}
            onChange={(cardinality) => change({ cardinality })}
            options={cardinalities}
          />
        </span>
        {onChange && (
          <Menu
            trigger={
              <IconButton label={`More of ${name}`} small>
                <Ellipsis size={15} />
              </IconButton>
            }
            groups={[
              {
                items: [
                  { label: 'Rename', icon: <Pencil size={14} />, onSelect: () => setAsking('name') },
                  ...(onMove
                    ? [
                        { label: 'Move up', icon: <ArrowUp size={14} />, onSelect: () => onMove(-1) },
                        { label: 'Move down', icon: <ArrowDown size={14} />, onSelect: () => onMove(1) },
                      ]
                    : []),
                ],
              },
              ...(onRemove
                ? [{ items: [{ label: 'Remove', icon: <Trash2 size={14} />, danger: true, onSelect: onRemove }] }]
                : []),
            ]}
          />
        )}
      </header>
      {about !== undefined && <div className="border-b border-line px-3 py-2 text-xs text-muted">{about}</div>}
      <ul className="flex flex-col py-1">
        {when.map((condition, i) => (
          <Line
            key={i}
            word={i === 0 ? 'where' : 'and'}
            text={conditionText(condition)}
            note={note?.(condition)}
            onEdit={onChange && (() => setAsking(i))}
            onRemove={
              onChange && (when.length > 1 || pass.sql)
                ? () => change({ when: replaced(when, i, undefined) })
                : undefined
            }
          />
        ))}
        {pass.sql !== undefined && <Line word={when.length > 0 ? 'and' : 'where'} text={pass.sql} code />}
        {pass.sum && (
          <Line
            word="if"
            text={sumText(pass.sum)}
            onEdit={onChange && (() => setAsking('sum'))}
            onRemove={onChange && !pass.subset ? () => onChange(withoutSum(pass)) : undefined}
          />
        )}
      </ul>
      {onChange && (
        <footer className="flex gap-1 px-2 pb-2">
          <Button small look="quiet" icon={<Plus size={13} />} onClick={() => setAsking('new')}>
            Condition
          </Button>
          {group && !pass.sum && (
            <Button small look="quiet" icon={<Plus size={13} />} onClick={() => setAsking('sum')}>
              Balance of sums
            </Button>
          )}
        </footer>
      )}
      <Dialog
        open={asking !== undefined}
        onOpenChange={(open) => open || close()}
        title={
          asking === 'name'
            ? 'Rename the pass'
            : asking === 'sum'
              ? 'When a group balances'
              : asking === 'new'
                ? 'New condition'
                : 'Change the condition'
        }
        description={`Pass ${number}, ${name}`}
      >
        {asking === 'name' && (
          <NameForm
            name={pass.name ?? ''}
            onDone={(next) => {
              change({ name: next })
              close()
            }}
          />
        )}
        {asking === 'sum' && (
          <SumForm
            sum={pass.sum}
            columns={columns}
            left={left}
            right={right}
            onDone={(sum) => {
              change({ sum })
              close()
            }}
          />
        )}
        {(asking === 'new' || typeof asking === 'number') && (
          <ConditionForm
            condition={asking === 'new' ? undefined : when[asking]}
            columns={columns}
            left={left}
            right={right}
            onDone={(condition) => {
              change({ when: asking === 'new' ? [...when, condition] : replaced(when, asking, condition) })
              close()
            }}
          />
        )}
      </Dialog>
    </section>
  )
}

function withoutSum(pass: Pass): Pass {
  const next = { ...pass }
  delete next.sum
  return next
}

function Line(props: {
  word: string
  text: string
  code?: boolean
  note?: ReactNode
  onEdit?: (() => void) | undefined
  onRemove?: (() => void) | undefined
}) {
  const { word, text, code, note, onEdit, onRemove } = props
  return (
    <li className="group flex items-start gap-2 px-3 py-1 hover:bg-hover">
      <span className="w-10 shrink-0 text-right text-xs leading-5 text-faint">{word}</span>
      <div className="min-w-0 flex-1">
        {onEdit ? (
          <button
            type="button"
            onClick={onEdit}
            aria-label={`Change: ${text}`}
            className="text-left text-sm decoration-line-strong underline-offset-4 hover:underline"
          >
            {text}
          </button>
        ) : (
          <span className={cx('text-sm', code && 'font-mono text-xs break-words')}>{text}</span>
        )}
        {note}
      </div>
      {onRemove && (
        <IconButton label={`Remove: ${text}`} small onClick={onRemove} className="-my-0.5">
          <X size={13} />
        </IconButton>
      )}
    </li>
  )
}

function NameForm({ name, onDone }: { name: string; onDone: (name: string) => void }) {
  const [text, setText] = useState(name)
  function submit(event: SubmitEvent) {
    event.preventDefault()
    if (text.trim()) onDone(text.trim())
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <Field label="Name">
        <Input value={text} maxLength={256} onChange={(event) => setText(event.target.value)} />
      </Field>
      <div className="flex justify-end">
        <Button type="submit" look="primary" disabled={!text.trim()}>
          Rename
        </Button>
      </div>
    </form>
  )
}

function SumForm(props: {
  sum: Sum | undefined
  columns: SideColumns
  left: string
  right: string
  onDone: (sum: Sum) => void
}) {
  const { columns, onDone } = props
  const [sum, setSum] = useState({
    left: props.sum?.left ?? '',
    right: props.sum?.right ?? '',
    within: String(props.sum?.within ?? '0'),
  })
  const wrong =
    isDecimal(sum.within.replace(/%$/, '')) || /^\$\{\w+\}$/.test(sum.within)
      ? undefined
      : 'Write a number such as 0.02, a percentage such as 1%, or a parameter.'
  function submit(event: SubmitEvent) {
    event.preventDefault()
    if (wrong !== undefined || !sum.left || !sum.right) return
    const { within, ...sides } = sum
    onDone(within === '0' ? sides : { ...sides, within })
  }
  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-3">
      <div className="grid grid-cols-2 gap-3">
        <Field label={`Amount of ${props.left}`}>
          <ColumnChoice value={sum.left} columns={columns.left} onChange={(left) => setSum({ ...sum, left })} />
        </Field>
        <Field label={`Amount of ${props.right}`}>
          <ColumnChoice value={sum.right} columns={columns.right} onChange={(right) => setSum({ ...sum, right })} />
        </Field>
      </div>
      <Field
        label="Largest difference of the sums"
        hint={`A number, or a percentage of the sum of ${props.left}. 0: they are equal.`}
        error={wrong}
      >
        <Input numeric value={sum.within} onChange={(event) => setSum({ ...sum, within: event.target.value.trim() })} />
      </Field>
      <div className="flex justify-end">
        <Button type="submit" look="primary" disabled={!sum.left || !sum.right}>
          {props.sum ? 'Change' : 'Add'}
        </Button>
      </div>
    </form>
  )
}
