package culprit

import "time"

// term is one line of the model: a name, and a function that weighs one candidate. An empty text means that the term
// has nothing to do with this candidate; a text that starts with "unknown" always carries weight 0.
type term struct {
	name  string
	weigh func(*scene, *candidate) (weight float64, text string)
}

// terms is the whole model in the order in which evidence is written down. All weights are in nats and add up.
func terms() []term {
	return []term{
		{"time", weighTime},               // how long before the first symptom
		{"after-onset", weighAfterOnset},  // began after the first symptom
		{"precursor", weighPrecursor},     // the symptom was moving before the change
		{"recency", weighRecency},         // the latest on its target
		{"superseded", weighSuperseded},   // something newer replaced it before the first symptom
		{"target", weighTarget},           // on a service that alerts
		{"topology", weighTopology},       // hops from a service that alerts
		{"covers", weighCovers},           // share of the alerts that it could explain
		{"scope", weighScope},             // environment, version, region
		{"contrast", weighContrast},       // calls before and after, new instances and old
		{"rollout", weighRollout},         // symptoms follow the exposed share
		{"ongoing", weighOngoing},         // still rolling out at the first symptom
		{"symptom-text", weighText},       // words of the alerts in the change
		{"kind", weighKind},               // how often this kind is taken back
		{"maintenance", weighMaintenance}, // routine work with a planned inverse
		{"revert", weighRevert},           // takes something back
		{"size", weighSize},               // lines, hardly
		{"assistance", weighAssistance},   // shown, never scored
		{"drill", weighDrill},             // made on purpose, and put back
		{"dismissed", weighDismissed},     // a person said no
	}
}

// knot is one point of a piecewise linear curve over the logarithm of the age.
type knot struct {
	age    time.Duration
	weight float64
}

// numbers are the constants of the model, in nats unless said otherwise.
type numbers struct {
	// Age to the first symptom. The landed curve is wider: what lands is not yet running.
	effective, landed []knot
	tailPerDoubling   float64       // beyond the last knot
	tailEnd           time.Duration // where the tail stops falling: its mass is never nil
	slowStretch       float64       // migrations and infrastructure bite later: their age counts less

	afterOnsetAtOnce, afterOnset float64 // right after the first symptom, and from afterOnsetTaper on
	afterOnsetTaper              time.Duration
	precursor                    float64

	recency    []float64 // latest, second, third on one target
	superseded float64

	targetExact, targetOwner, targetOther float64
	culpritAlerts                         float64 // how often the culprit is on a service that alerts
	hop                                   float64 // times ln(2/(2+hops)), callee-ward
	maxHops                               int
	unreachable                           float64
	covers                                float64 // times (covered share - 0.5)

	scopeMatch, scopeOutside float64

	callsPerPoint              float64 // assumed where a ratio comes without a count
	minCalls                   float64
	referenceCalls             float64 // how many calls of a reference count at most
	historyStrength            float64 // calls for which the past of a service is taken for healthy beforehand
	peerStrength               float64 // the same for old instances beside new ones: they tell themselves
	alike                      float64 // what is left of before and after where new instances are no worse than old ones
	silent                     float64 // share of culprits that do not show in failing calls
	contrastLow, contrastHigh  float64
	rolloutHigh, healthyAtFull float64
	usualLag                   time.Duration
	ongoing                    float64

	textMax, textScale, textNone float64
	kindShare                    float64 // how much of a family's own rate counts beside the other terms

	maintenance, rollback, rollbackDependants, drill, dismissed float64
	sizePerLog, sizeMax                                         float64

	// The candidate "none of these" scores bias + growth*ln(1+n). The bias is larger where services are known: there
	// some change always stands near the alerts by chance.
	noneBias, noneBiasPlaced, noneGrowth float64

	temperature float64 // divides every score before it becomes a probability
	tieGap      float64
	cap         float64 // the highest probability without scope, contrast or rollout evidence
}

// numbersOf gives the constants.
//
// They began as a published table: log-likelihood ratios counted over public histories of which change was taken back
// (the landed curve, the families, recency, superseded), and start values for the rest. Fitted since on labelled
// incidents: the effective curve's first minutes, a tenth less for the landed curve, superseded (from -1.2), rollback
// (from -1), kindShare, the text's maximum and scale (real symptoms share rarer words than the table's 2 nats allow; those
// labels were worded by people who knew the culprit, so it may be too much), silent and alike of the contrast, and both
// none biases. culpritAlerts, usualLag, callsPerPoint and referenceCalls are judgement.
func numbersOf() numbers {
	const m, h, d = time.Minute, time.Hour, 24 * time.Hour
	return numbers{
		effective: []knot{
			{30 * time.Second, 3.2},
			{5 * m, 2.6},
			{10 * m, 2.3},
			{20 * m, 1.6},
			{40 * m, 0.9},
			{80 * m, 0.1},
			{160 * m, -0.6},
			{5 * h, -1.1},
			{12 * h, -1.45},
			{24 * h, -1.6},
		},
		landed: []knot{
			{20 * m, 2.1},
			{40 * m, 1.65},
			{80 * m, 1.1},
			{160 * m, 0.15},
			{5 * h, -0.65},
			{12 * h, -1.45},
			{24 * h, -1.45},
		},
		tailPerDoubling: -0.35, tailEnd: 14 * d, slowStretch: 0.5,
		afterOnsetAtOnce: -1, afterOnset: -4, afterOnsetTaper: 2 * m, precursor: -2.5,
		recency: []float64{1.0, 0.3, 0}, superseded: -0.6,
		targetExact: 1.5, targetOwner: 0.5, targetOther: -0.5, culpritAlerts: 0.8,
		hop: 2, maxHops: 4, unreachable: -1, covers: 2,
		scopeMatch: 1.5, scopeOutside: -2,
		callsPerPoint: 10, minCalls: 30, referenceCalls: 200, silent: 0.3, alike: 0.5, historyStrength: 50, peerStrength: 5, contrastLow: -2, contrastHigh: 4,
		rolloutHigh: 2, healthyAtFull: -1.5, usualLag: 30 * m, ongoing: 0.7,
		textMax: 5, textScale: 1, textNone: 0, kindShare: 0.5,
		maintenance: -1.5, rollback: -1.5, rollbackDependants: 1, drill: -8, dismissed: -6,
		sizePerLog: 0.1, sizeMax: 0.4,
		noneBias: -0.8, noneBiasPlaced: 1.8, noneGrowth: 0.6,
		temperature: 1, tieGap: 0.7, cap: 0.9,
	}
}
