package app

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/shopspring/decimal"
	"golang.org/x/net/http/httpproxy"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/agent/anthropic"
	"kalla/internal/agent/openai"
)

// DefaultModel is asked where a key of Anthropic's is set and no model is named.
const DefaultModel = anthropic.DefaultModel

// ModelConfig says which language model the assistant asks, if any. All may be empty.
type ModelConfig struct {
	AnthropicKey string // of the Anthropic API, or of what speaks as it does at AnthropicURL
	AnthropicURL string // empty means Anthropic's own
	URL          string // of a chat-completions endpoint, which is asked instead: http://localhost:11434/v1
	Key          string // of it; empty where it needs none
	Name         string // of the model; empty means a default of Anthropic's
	Prices       string // see ParsePrices; empty means those that are known
	Budget       agent.Budget
	// LookupEnv tells of a proxy: HTTPS_PROXY, HTTP_PROXY, NO_PROXY. It may be nil.
	LookupEnv func(name string) (string, bool)
}

// Model is the language model that the assistant asks, nil where none is
// configured. It is not asked yet. Errors are *kalla.Error of class usage.
func Model(cfg ModelConfig) (agent.Model, error) {
	var m agent.Model
	var err error
	client := agent.NewHTTPClient(cfg.proxy())
	switch {
	case cfg.URL != "":
		m, err = openai.New(openai.Config{URL: cfg.URL, Key: cfg.Key, Model: cfg.Name, HTTP: client})
	case cfg.AnthropicKey != "":
		m, err = anthropic.New(anthropic.Config{Key: cfg.AnthropicKey, URL: cfg.AnthropicURL, Model: cfg.Name, HTTP: client})
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info := m.Info()
	if cfg.Prices != "" {
		p, err := ParsePrices(cfg.Prices)
		if err != nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "setting up the language model", Where: "KALLA_MODEL_PRICES", Err: err}
		}
		info.InputPrice, info.OutputPrice, info.CacheReadPrice, info.CacheWritePrice = p[0], p[1], p[2], p[3]
	}
	return priced{agent.WithRetries(m), info}, nil
}

// priced is a model whose prices were configured.
type priced struct {
	agent.Model
	info agent.ModelInfo
}

func (p priced) Info() agent.ModelInfo { return p.info }

// ParsePrices reads prices in US dollars for a million tokens: input,output, or
// input,output,cache read,cache write. What the cache costs is the price of the input where it is left out.
func ParsePrices(text string) (prices [4]string, err error) {
	parts := strings.Split(text, ",")
	if len(parts) != 2 && len(parts) != 4 {
		return prices, fmt.Errorf("%q is not two or four prices such as 2,10 or 2,10,0.1,2.5", text)
	}
	for i, p := range parts {
		d, err := decimal.NewFromString(strings.TrimSpace(p))
		if err != nil || d.IsNegative() {
			return prices, fmt.Errorf("%q is not a price in US dollars for a million tokens, such as 2.5", p)
		}
		prices[i] = d.String()
	}
	prices[2], prices[3] = cmp.Or(prices[2], prices[0]), cmp.Or(prices[3], prices[0])
	return prices, nil
}

func (cfg ModelConfig) proxy() func(*http.Request) (*url.URL, error) {
	get := func(name string) string {
		if cfg.LookupEnv == nil {
			return ""
		}
		for _, n := range []string{name, strings.ToLower(name)} {
			if v, ok := cfg.LookupEnv(n); ok && v != "" {
				return v
			}
		}
		return ""
	}
	find := (&httpproxy.Config{HTTPProxy: get("HTTP_PROXY"), HTTPSProxy: get("HTTPS_PROXY"), NoProxy: get("NO_PROXY")}).ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return find(r.URL) }
}
