import { complete, type JsonSchema } from '@/lib/schema-complete'
import { autocompletion, completionKeymap, type CompletionContext } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from '@codemirror/language'
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useEffectEvent, useImperativeHandle, useRef, useState, type Ref } from 'react'

/** A fault at a line, counted from 1; a column marks the word there, else the whole line is marked. */
export interface LineFault {
  line: number
  column?: number
  message: string
}

/** What can be asked of an editor from outside. */
export interface CodeEditorHandle {
  /** Goes to a place, counted from 1, and takes the focus there. */
  goTo: (line: number, column?: number) => void
}

export interface CodeEditorProps {
  ref?: Ref<CodeEditorHandle>
  value: string
  onChange?: (value: string) => void
  faults?: readonly LineFault[]
  /** Offers the fields and values of this JSON Schema. */
  schema?: JsonSchema
  readOnly?: boolean
  label: string
  /** In lines. */
  minLines?: number
}

const look = EditorView.theme({
  '&': { backgroundColor: 'var(--surface)', color: 'var(--fg)', fontSize: '13px' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-1px' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '20px', maxHeight: '70vh' },
  '.cm-gutters': { backgroundColor: 'var(--sunken)', color: 'var(--faint)', borderRight: '1px solid var(--line)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--hover) 60%, transparent)' },
  '.cm-cursor': { borderLeftColor: 'var(--fg)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 26%, transparent)',
  },
  '.cm-tooltip, .cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--fg)', border: '1px solid var(--line)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--fg)' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
  '.cm-panel input, .cm-panel button': {
    background: 'var(--surface)',
    border: '1px solid var(--line)',
    color: 'var(--fg)',
  },
})

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--ok)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--warn)' },
  { tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--bad)' },
])

/** Where a place is in the text, or as near to it as the text has one; the first word of a line where no column is told. */
function positionOf({ doc }: EditorState, line: number, column?: number) {
  const found = doc.line(Math.min(Math.max(1, line), doc.lines))
  const indent = /^\s*/.exec(found.text)?.[0].length ?? 0
  return { from: Math.min(found.from + (column === undefined ? indent : column - 1), found.to), end: found.to }
}

function diagnostics(state: EditorState, faults: readonly LineFault[]): Diagnostic[] {
  return faults.map(({ line, column, message }) => {
    const { from, end } = positionOf(state, line, column)
    const word = column === undefined ? null : state.wordAt(from)
    return { from: word?.from ?? from, to: Math.max(word?.to ?? end, from), severity: 'error', message }
  })
}

export default function CodeMirror({
  ref,
  value,
  onChange,
  faults = [],
  schema,
  readOnly = false,
  label,
  minLines = 12,
}: CodeEditorProps) {
  const host = useRef<HTMLDivElement>(null)
  const [view, setView] = useState<EditorView>()
  const changed = useEffectEvent((text: string) => onChange?.(text))
  const first = useEffectEvent(() => value)
  const options = useEffectEvent((context: CompletionContext) => {
    const found = schema && complete(schema, context.state.doc.toString(), context.pos)
    if (!found || (found.options.length === 0 && !context.explicit)) return null
    return { from: found.from, options: found.options, validFor: /^[\w-]*$/ }
  })
  const [setup] = useState(() => new Compartment())

  useEffect(() => {
    if (!host.current) return
    const extensions: Extension[] = [
      lineNumbers(),
      foldGutter(),
      lintGutter(),
      history(),
      drawSelection(),
      indentOnInput(),
      bracketMatching(),
      highlightActiveLine(),
      highlightSelectionMatches(),
      search({ top: true }),
      yaml(),
      autocompletion({ override: [(context) => options(context)] }),
      keymap.of([
        ...defaultKeymap,
        ...historyKeymap,
        ...searchKeymap,
        ...foldKeymap,
        ...completionKeymap,
        indentWithTab,
      ]),
      look,
      syntaxHighlighting(colours),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) changed(update.state.doc.toString())
      }),
      setup.of([]),
    ]
    const made = new EditorView({ parent: host.current, state: EditorState.create({ doc: first(), extensions }) })
    made.scrollDOM.tabIndex = 0 // what is scrolled must be reachable by the keyboard
    setView(made)
    return () => made.destroy()
  }, [setup])

  useEffect(() => {
    view?.dispatch({
      effects: setup.reconfigure([
        EditorState.readOnly.of(readOnly),
        EditorView.contentAttributes.of({ 'aria-label': label }),
        EditorView.theme({ '.cm-content, .cm-gutter': { minHeight: `${minLines * 20 + 8}px` } }),
      ]),
    })
  }, [view, setup, readOnly, label, minLines])

  useEffect(() => {
    if (view && value !== view.state.doc.toString())
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } })
  }, [view, value])

  useEffect(() => {
    view?.dispatch(setDiagnostics(view.state, diagnostics(view.state, faults)))
    // value: a change of the text moves what is marked.
  }, [view, faults, value])

  useImperativeHandle(
    ref,
    () => ({
      goTo: (line, column) => {
        if (!view) return
        const { from } = positionOf(view.state, line, column)
        view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: 'center' }) })
        view.focus()
      },
    }),
    [view],
  )

  return <div ref={host} className="overflow-hidden rounded-md border border-line" />
}
