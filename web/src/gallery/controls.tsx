import { Page } from '@/shell/page'
import { Button, IconButton } from '@/ui/button'
import { Checkbox, Radio, Switch } from '@/ui/choice'
import { Combobox } from '@/ui/combobox'
import { Field } from '@/ui/field'
import { Input, Textarea } from '@/ui/input'
import { Kbd } from '@/ui/kbd'
import { Menu } from '@/ui/menu'
import { Progress } from '@/ui/progress'
import { Select } from '@/ui/select'
import { Badge, knownStates, Note, Status } from '@/ui/status'
import { toast } from '@/ui/toast'
import { Count, DateTime, KeyValue, Money, Percent, Stat, Stats } from '@/ui/values'
import { zodResolver } from '@hookform/resolvers/zod'
import { Ellipsis, Play, Plus, Search, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { z } from 'zod'
import { Sample, Wrap } from './parts'

const form = z.object({
  alias: z.string().regex(/^[A-Za-z_]\w{0,62}$/, 'Letters, digits and _, beginning with a letter: bank_2026.'),
  uri: z.string().min(1, 'Where the data is, for example postgres://host/database?table=payments.'),
})

export function Controls() {
  const [mark, setMark] = useState<boolean | 'mixed'>('mixed')
  const [live, setLive] = useState(true)
  const [side, setSide] = useState('left')
  const [format, setFormat] = useState<string>()
  const [column, setColumn] = useState<string>()
  const { register, handleSubmit, formState } = useForm({
    resolver: zodResolver(form),
    defaultValues: { alias: '2026 bank', uri: '' },
  })
  return (
    <Page
      title="Controls"
      about="What pages are made of."
      aside={<Status state="completed" />}
      actions={
        <>
          <Button>Compare</Button>
          <Button look="primary" icon={<Play size={14} />}>
            Run again
          </Button>
        </>
      }
    >
      <div className="grid gap-x-4 lg:grid-cols-2">
        <Sample title="Figures">
          <Stats>
            <Stat
              label="Match rate"
              value={<Percent value="0.9821" />}
              delta={{ text: '0.4 pp', good: true }}
              detail="since yesterday"
            />
            <Stat
              label="Unmatched"
              value={<Count value={17_942} />}
              delta={{ text: '312', good: false }}
              detail="of 1,000,000"
            />
            <Stat label="Open amount" value={<Money value="1204331.5" currency="EUR" />} />
          </Stats>
          <div className="mt-5">
            <KeyValue
              items={[
                { label: 'Exact', value: <Money value="90071992547409931.05" currency="EUR" /> },
                { label: 'Three places', value: <Money value="12.345" currency="BHD" /> },
                { label: 'No places', value: <Money value="-1200" currency="JPY" /> },
                { label: 'Difference', value: <Money value="-0.02" currency="USD" signed /> },
                { label: 'A date', value: <DateTime value="2026-11-03" /> },
                { label: 'A time', value: <DateTime value="2026-11-03T14:05:09Z" /> },
                { label: 'Since', value: <DateTime value="2026-11-03T14:05:09Z" relative /> },
                { label: 'Missing', value: <Money value={null} /> },
              ]}
            />
          </div>
        </Sample>
        <Sample title="Form">
          <form
            onSubmit={(event) => void handleSubmit(() => toast.done('Saved'))(event)}
            className="flex flex-col gap-3"
          >
            <Field label="Alias" hint="How recipes call the source." error={formState.errors.alias?.message}>
              <Input {...register('alias')} />
            </Field>
            <Field label="Address" error={formState.errors.uri?.message}>
              <Input {...register('uri')} placeholder="postgres://…" />
            </Field>
            <div className="grid gap-3 sm:grid-cols-2">
              <Field label="Format">
                <Select
                  value={format}
                  onChange={setFormat}
                  options={['CSV', 'Parquet', 'Excel'].map((value) => ({ value, label: value }))}
                />
              </Field>
              <Field label="Amount column" optional>
                <Combobox
                  value={column}
                  onChange={setColumn}
                  options={['amount', 'amount_net', 'gross', 'paid', 'paid_at'].map((value, i) => ({
                    value,
                    label: value,
                    detail: i < 4 ? 'decimal(18,2)' : 'date',
                  }))}
                />
              </Field>
            </div>
            <Field label="Note" optional hint="Shown with every run.">
              <Textarea rows={2} />
            </Field>
            <Wrap>
              <Button type="submit" look="primary">
                Save source
              </Button>
              <Button>Test connection</Button>
            </Wrap>
          </form>
        </Sample>
        <Sample title="Buttons">
          <Wrap>
            <Button look="primary" icon={<Plus size={14} />}>
              New recipe
            </Button>
            <Button>Export</Button>
            <Button look="quiet">Cancel</Button>
            <Button look="danger" icon={<Trash2 size={14} />}>
              Delete
            </Button>
            <Button busy>Saving</Button>
            <Button disabled>Not now</Button>
            <Button small>Small</Button>
            <IconButton label="Delete the source">
              <Trash2 size={16} />
            </IconButton>
            <Menu
              trigger={
                <IconButton label="More">
                  <Ellipsis size={16} />
                </IconButton>
              }
              groups={[
                { items: [{ label: 'Duplicate', onSelect: () => toast.done('Duplicated') }] },
                {
                  items: [
                    {
                      label: 'Delete',
                      danger: true,
                      icon: <Trash2 size={14} />,
                      onSelect: () => toast.failed('Deleting the recipe', new Error('It is used by a schedule.')),
                    },
                  ],
                },
              ]}
            />
            <Kbd keys="mod+k" />
          </Wrap>
        </Sample>
        <Sample title="Choices">
          <div className="grid gap-4 sm:grid-cols-2">
            <div className="flex flex-col gap-2">
              <Checkbox label="Every column" hint="Some are chosen." checked={mark} onChange={setMark} />
              <Checkbox label="Keep this upload" checked={false} onChange={setMark} />
              <Switch label="Follow the run" checked={live} onChange={setLive} />
              <Switch label="Not allowed" checked={false} onChange={setLive} disabled />
            </div>
            <Radio
              label="Side"
              value={side}
              onChange={setSide}
              options={[
                { value: 'left', label: 'Invoices', hint: '1,000,000 records' },
                { value: 'right', label: 'Payments', hint: '950,000 records' },
                { value: 'both', label: 'Both', disabled: true },
              ]}
            />
          </div>
          <div className="mt-4">
            <Input
              lead={<Search size={14} />}
              aria-label="Search"
              placeholder="Search"
              trail="EUR"
              numeric
              defaultValue="1204.50"
            />
          </div>
        </Sample>
        <Sample title="States">
          <Wrap>
            {knownStates.map((state) => (
              <Status key={state} state={state} />
            ))}
            <Badge tone="accent">v12</Badge>
          </Wrap>
          <div className="mt-3 flex flex-col gap-2">
            <Note title="12 records have no key">They are counted as unmatched and listed below bad keys.</Note>
            <Note tone="warn">The target was 99%.</Note>
            <Note tone="bad">Matched and unmatched do not add up.</Note>
            <Note tone="ok">Evidence verified.</Note>
          </div>
        </Sample>
        <Sample title="Progress">
          <Progress
            rate={1_284_000}
            left={42_000}
            stages={[
              { name: 'Reading', done: 1, state: 'done' },
              { name: 'Matching', done: 0.46, state: 'active', step: 'pass 2: amount and date' },
              { name: 'Evidence', done: 0, state: 'waiting' },
            ]}
          />
          <div className="mt-5">
            <Progress
              stages={[
                { name: 'Reading', done: 1, state: 'done' },
                { name: 'Matching', done: 0.3, state: 'failed' },
                { name: 'Evidence', done: 0, state: 'waiting' },
              ]}
            />
          </div>
        </Sample>
      </div>
    </Page>
  )
}
