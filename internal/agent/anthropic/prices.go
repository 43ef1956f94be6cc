package anthropic

import sdk "github.com/anthropics/anthropic-sdk-go"

// prices are what Anthropic asked on 24 October 2026, in US dollars for a million
// tokens: input, output, read from the cache, written to it for five minutes.
// Others can be set with KALLA_MODEL_PRICES. That of claude-haiku-5-5 holds for
// prompts of up to 100,000 tokens.
var prices = map[string][4]string{
	sdk.ModelClaudeFable5_1:          {"10", "50", "0.25", "12.5"},
	sdk.ModelClaudeOpus5_5:           {"4", "20", "0.2", "5"},
	sdk.ModelClaudeOpus5:             {"5", "25", "0.5", "6.25"},
	sdk.ModelClaudeOpus4_8:           {"5", "25", "0.5", "6.25"},
	sdk.ModelClaudeSonnet5_5:         {"2", "10", "0.1", "2.5"},
	sdk.ModelClaudeSonnet5:           {"2", "10", "0.2", "2.5"},
	sdk.ModelClaudeSonnet4_6:         {"3", "15", "0.3", "3.75"},
	sdk.ModelClaudeHaiku5_5:          {"0.1", "0.5", "0.01", "0.125"},
	sdk.ModelClaudeHaiku4_5:          {"1", "5", "0.1", "1.25"},
	sdk.ModelClaudeHaiku4_5_20251001: {"1", "5", "0.1", "1.25"},
}
