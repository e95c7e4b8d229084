package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"
)

// Only expr's lexer and parser are used here. Its checker and virtual machine
// would have to be talked out of their own semantics for null, == and mixed
// types operator by operator, return an `any` for every value, and still leave
// the partial evaluation of read rules to us, which needs the typed tree anyway.
// With the tree in hand, closures are less code and several times faster.

// maxLength bounds an expression, so that nesting cannot exhaust the stack.
const maxLength = 8 << 10

// exprError is a mistake in an expression.
type exprError struct {
	at         int // in characters from its beginning
	message    string
	name       string // the unknown name, when it was one
	candidates []string
}

func (e *exprError) Error() string { return fmt.Sprintf("at character %d: %s", e.at+1, e.message) }

func errorAt(loc file.Location, format string, args ...any) *exprError {
	return &exprError{at: loc.From, message: fmt.Sprintf(format, args...)}
}

// operators are those of the language; expr knows more.
var operators = map[string]bool{
	"==": true, "!=": true, "<": true, "<=": true, ">": true, ">=": true, "&&": true, "||": true, "!": true,
	"+": true, "-": true, "*": true, "/": true, "%": true, "in": true, ".": true, ",": true,
}

// translated are the words that expr spells differently, none longer than ours.
var translated = map[string]string{"null": "nil", "starts_with": "startsWith", "ends_with": "endsWith"}

// instead is what to write for what people try.
var instead = map[string]string{
	"and": "&&", "or": "||", "not": "!", "=": "==", "&": "&&", "|": "||", "nil": "null", "undefined": "null",
	"startsWith": "starts_with", "endsWith": "ends_with", "contains": "in",
}

// parse reads an expression into expr's tree, whose positions are those of src.
func parse(src string) (ast.Node, *exprError) {
	if len(src) > maxLength {
		return nil, &exprError{message: fmt.Sprintf("the expression is longer than %d bytes", maxLength)}
	}
	if !utf8.ValidString(src) {
		return nil, &exprError{message: "the expression is not valid UTF-8"}
	}
	tokens, err := lexer.Lex(file.NewSource(src))
	if err != nil {
		return nil, syntaxError(err)
	}
	text := []rune(src)
	for i, t := range tokens {
		member := i > 0 && tokens[i-1].Is(lexer.Operator, ".")
		switch t.Kind {
		case lexer.Identifier, lexer.Operator:
			word := t.Value
			if member && word != "" && !strings.ContainsAny(word, ".,=!<>&|+-*/%?:;#^") {
				continue // a field may be called anything
			}
			if own, ok := translated[word]; ok {
				copy(text[t.From:t.To], []rune(own+strings.Repeat(" ", len(word)-len(own))))
				continue
			}
			if better, ok := instead[word]; ok {
				return nil, errorAt(t.Location, "unknown word %s; write %s", word, better)
			}
			if t.Kind == lexer.Operator && !operators[word] {
				return nil, errorAt(t.Location, "%s is not part of the policy language", word)
			}
		case lexer.Bracket:
			if t.Value == "{" || t.Value == "}" {
				return nil, errorAt(t.Location, "%s is not part of the policy language", t.Value)
			}
		case lexer.Bytes:
			return nil, errorAt(t.Location, "byte strings are not part of the policy language")
		case lexer.String:
			// Rows never hold such text, and databases disagree on it.
			if strings.IndexByte(t.Value, 0) >= 0 || !utf8.ValidString(t.Value) {
				return nil, errorAt(t.Location, "the text is not valid UTF-8 or contains U+0000")
			}
		}
	}
	if len(tokens) == 1 { // the end
		return nil, &exprError{message: "the expression is empty"}
	}
	tree, err := parser.Parse(string(text))
	if err != nil {
		return nil, syntaxError(err)
	}
	return tree.Node, nil
}

func syntaxError(err error) *exprError {
	var e *file.Error
	if !errors.As(err, &e) {
		return &exprError{message: err.Error()}
	}
	message := strings.ReplaceAll(e.Message, "unexpected token EOF", "the expression ends too early")
	return &exprError{at: max(e.From, 0), message: message}
}
