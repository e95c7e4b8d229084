package manifest

import "strings"

// Nearest is the candidate that somebody who wrote name probably meant, "" when
// none is near enough to be worth suggesting.
func Nearest(name string, candidates []string) string {
	best, bestCost, bestSteps := "", 0, 0
	lower := strings.ToLower(name)
	for _, c := range candidates {
		cl := strings.ToLower(c)
		steps := distance(lower, cl)
		cost := steps
		if len(lower) >= 3 && (strings.HasPrefix(cl, lower) || strings.HasPrefix(lower, cl) && len(cl) >= 3) {
			cost = min(cost, 1) // a beginning of the name, or the name with something added
		}
		if best == "" || cost < bestCost || cost == bestCost && steps < bestSteps {
			best, bestCost, bestSteps = c, cost, steps
		}
	}
	if best == "" || bestCost > max(1, min(len([]rune(name)), len([]rune(best)))/3) {
		return ""
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours
// between two words (optimal string alignment).
func distance(a, b string) int {
	ar, br := []rune(a), []rune(b)
	const far = 64
	if len(ar) > far || len(br) > far {
		return far
	}
	before, last, row := make([]int, len(br)+1), make([]int, len(br)+1), make([]int, len(br)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(ar); i++ {
		row[0] = i
		for j := 1; j <= len(br); j++ {
			change := 1
			if ar[i-1] == br[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && ar[i-1] == br[j-2] && ar[i-2] == br[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(br)]
}
