package function

// The web platform's globals (runtime/web) ask these of the host.

// Their first argument is their name, as runtime/host.ts sends it.
var webSyncs = map[string]syncFunc{
	"clock":        clockNow,
	"console":      consoleLine,
	"digest":       digest,
	"hmac":         hmacSign,
	"hmac.verify":  hmacVerify,
	"random":       randomNumber,
	"random.bytes": randomBytes,
	"text.decode":  textDecode,
	"text.encode":  textEncode,
	"url.parse":    urlParse,
	"url.set":      urlSet,
	"uuid":         randomUUID,
}

var webOperations = map[string]operation{
	"fetch": {kind: outside, run: fetchOperation},
	"timer": {kind: outside, run: timerOperation},
}

// worksAtLoad are those that may be asked while the app's modules are loaded: they
// answer the same to the same arguments, so nothing of a moment gets into the image.
// They do not look at their call, which may be nil. env is the host's own (it reads the
// variables that ctx.env reads).
var worksAtLoad = map[string]bool{
	"digest":      true,
	"hmac":        true,
	"hmac.verify": true,
	"text.decode": true,
	"text.encode": true,
	"url.parse":   true,
	"url.set":     true,
}
