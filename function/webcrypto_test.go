package function

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
)

func TestDigests(t *testing.T) {
	// FIPS 180 examples and the digests of nothing.
	cases := []webCase{}
	for _, c := range []struct{ alg, in, want string }{
		{"SHA-1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"SHA-1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"sha-256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"SHA-256", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"SHA-384", "abc", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
		{"SHA-512", "abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
	} {
		cases = append(cases, webCase{`return new Uint8Array(await crypto.subtle.digest("` + c.alg + `", new TextEncoder().encode("` + c.in + `"))).toHex()`, c.want})
	}
	cases = append(cases,
		webCase{`return new Uint8Array(await crypto.subtle.digest({ name: "SHA-1" }, new DataView(new TextEncoder().encode("xabcx").buffer, 1, 3))).toHex()`, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		webCase{`await crypto.subtle.digest("SHA-1", "abc")`, "! TypeError: The data must be an ArrayBuffer or a view of one"},
		webCase{`await crypto.subtle.digest({}, new Uint8Array())`, "! TypeError: The algorithm has no name"},
		webCase{`return crypto.subtle.digest("MD5", new Uint8Array()).catch((e) => e.name + e.message.includes("The hash MD5 is not supported: there are digest with SHA-1"))`, "NotSupportedErrortrue"},
		webCase{`return crypto.subtle.digest("__proto__", new Uint8Array()).catch((e) => e.name)`, "NotSupportedError"},
	)
	runWebCases(t, cases)
}

// RFC 4231, test cases 1 to 3, 6 and 7.
func TestHMAC(t *testing.T) {
	for _, c := range []struct{ key, data, sha256, sha512 string }{
		{strings.Repeat("0b", 20), hex.EncodeToString([]byte("Hi There")), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
		{hex.EncodeToString([]byte("Jefe")), hex.EncodeToString([]byte("what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{strings.Repeat("aa", 20), strings.Repeat("dd", 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
		{strings.Repeat("aa", 131), hex.EncodeToString([]byte("Test Using Larger Than Block-Size Key - Hash Key First")), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
	} {
		// The vectors are right: crypto/hmac says so too.
		key, _ := hex.DecodeString(c.key)
		data, _ := hex.DecodeString(c.data)
		mac := hmac.New(sha256.New, key)
		mac.Write(data)
		if got := hex.EncodeToString(mac.Sum(nil)); got != c.sha256 {
			t.Fatalf("the vector %s is %s", c.sha256, got)
		}
		for hash, want := range map[string]string{"SHA-256": c.sha256, "SHA-512": c.sha512} {
			runWebCases(t, []webCase{{`const hex = (s) => Uint8Array.fromHex(s); const k = await crypto.subtle.importKey("raw", hex("` + c.key + `"), { name: "HMAC", hash: "` + hash + `" }, false, ["sign", "verify"]);
				const s = await crypto.subtle.sign("HMAC", k, hex("` + c.data + `")); const bad = new Uint8Array(s.slice(0)); bad[0] ^= 1;
				return new Uint8Array(s).toHex() + await crypto.subtle.verify("HMAC", k, s, hex("` + c.data + `")) + await crypto.subtle.verify("HMAC", k, bad, hex("` + c.data + `")) + await crypto.subtle.verify("HMAC", k, s.slice(1), hex("` + c.data + `"))`, want + "truefalsefalse"}})
		}
	}
}

func TestKeys(t *testing.T) {
	const imported = `const k = await crypto.subtle.importKey("raw", new Uint8Array([1, 2, 3]), { name: "hmac", hash: { name: "sha-256" } }, `
	runWebCases(t, []webCase{
		{imported + `true, ["verify", "sign", "sign"]); return [k.type, k.extractable, k.algorithm, k.usages, new Uint8Array(await crypto.subtle.exportKey("raw", k)).toHex(), k instanceof CryptoKey]`, `["secret",true,{"name":"HMAC","hash":{"name":"SHA-256"},"length":24},["sign","verify"],"010203",true]`},
		{imported + `false, ["sign"]); return crypto.subtle.exportKey("raw", k).catch((e) => e.name)`, "InvalidAccessError"},
		{imported + `false, ["verify"]); return crypto.subtle.sign("HMAC", k, new Uint8Array()).catch((e) => e.name)`, "InvalidAccessError"},
		{imported + `false, []).catch((e) => e.name); return k`, "SyntaxError"},
		{imported + `false, ["encrypt"]).catch((e) => e.name); return k`, "SyntaxError"},
		{imported + `true, ["sign"]); return crypto.subtle.exportKey("jwk", k).catch((e) => e.name)`, "NotSupportedError"},
		{`return crypto.subtle.importKey("raw", new Uint8Array(), { name: "HMAC", hash: "SHA-1" }, true, ["sign"]).catch((e) => e.name)`, "DataError"},
		{`return crypto.subtle.importKey("raw", new Uint8Array(4), { name: "HMAC", hash: "SHA-1", length: 8 }, true, ["sign"]).catch((e) => e.name)`, "DataError"},
		{`return crypto.subtle.importKey("raw", new Uint8Array(16), "AES-GCM", true, ["encrypt"]).catch((e) => e.name + e.message.includes("AES-GCM"))`, "NotSupportedErrortrue"},
		{`return crypto.subtle.importKey("pkcs8", new Uint8Array(16), { name: "HMAC", hash: "SHA-1" }, true, ["sign"]).catch((e) => e.name)`, "NotSupportedError"},
		{`const k = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-384" }, true, ["sign"]); return [k.algorithm.length, (await crypto.subtle.exportKey("raw", k)).byteLength]`, "[1024,128]"},
		{`return crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-1", length: 1e12 }, true, ["sign"]).catch((e) => e.name)`, "OperationError"},
		{`return Promise.all(["encrypt", "decrypt", "deriveBits", "deriveKey", "wrapKey", "unwrapKey"].map((m) => crypto.subtle[m]().catch((e) => e.name))).then((a) => new Set(a).size + a[0])`, "1NotSupportedError"},
		{`new CryptoKey()`, "! TypeError: Illegal constructor"},
		{`return Object.keys(await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-1" }, true, ["sign"]))`, "[]"},
	})
}

func TestRandomValues(t *testing.T) {
	r := newWebRun(t)
	if got := r.run(`return crypto.randomUUID()`); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(got) {
		t.Error(got)
	}
	runWebCases(t, []webCase{
		{`const a = new Uint32Array(16); const b = crypto.getRandomValues(a); return [a === b, a.some((x) => x > 65536)]`, "[true,true]"},
		{`const a = new Uint8Array(100); crypto.getRandomValues(a.subarray(50)); return [a.slice(0, 50).every((x) => x === 0), a.slice(50).some((x) => x > 0)]`, "[true,true]"},
		{`return crypto.getRandomValues(new BigInt64Array(1)).length + crypto.getRandomValues(new Uint8Array(65536)).length`, "65537"},
		{`try { crypto.getRandomValues(new Uint8Array(65537)) } catch (e) { return [e.name, e.code] }`, `["QuotaExceededError",22]`},
		{`try { crypto.getRandomValues(new Float32Array(1)) } catch (e) { return [e.name, e.code] }`, `["TypeMismatchError",17]`},
		{`try { crypto.getRandomValues([1]) } catch (e) { return e.name }`, "TypeMismatchError"},
		{`try { crypto.getRandomValues(new DataView(new ArrayBuffer(1))) } catch (e) { return e.name }`, "TypeMismatchError"},
	})
}
