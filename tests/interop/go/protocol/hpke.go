package main

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
)

// HPKE in base mode (RFC 9180) by DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20Poly1305 (RFC 8439), to decrypt
// one message. It is made from the RFCs, for Go's standard library has none of it in the releases that are asked for.

func chachaBlock(key, nonce []byte, counter uint32) []byte {
	var state [16]uint32
	copy(state[:], []uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574})
	for i := range 8 {
		state[4+i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	state[12] = counter
	for i := range 3 {
		state[13+i] = binary.LittleEndian.Uint32(nonce[4*i:])
	}
	s := state
	quarter := func(a, b, c, d int) {
		s[a] += s[b]
		s[d] = bits.RotateLeft32(s[d]^s[a], 16)
		s[c] += s[d]
		s[b] = bits.RotateLeft32(s[b]^s[c], 12)
		s[a] += s[b]
		s[d] = bits.RotateLeft32(s[d]^s[a], 8)
		s[c] += s[d]
		s[b] = bits.RotateLeft32(s[b]^s[c], 7)
	}
	for range 10 {
		for i := range 4 {
			quarter(i, 4+i, 8+i, 12+i)
		}
		for i := range 4 {
			quarter(i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4)
		}
	}
	var out []byte
	for i := range s {
		out = binary.LittleEndian.AppendUint32(out, s[i]+state[i])
	}
	return out
}

func poly1305(key, message []byte) []byte {
	clamp, _ := new(big.Int).SetString("0ffffffc0ffffffc0ffffffc0fffffff", 16)
	r := new(big.Int).And(little(key[:16]), clamp)
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))
	sum := new(big.Int)
	for block := range slices.Chunk(message, 16) {
		sum.Add(sum, little(append(slices.Clone(block), 1)))
		sum.Mod(sum.Mul(sum, r), p)
	}
	sum.Add(sum, little(key[16:32]))
	sum.And(sum, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
	tag := sum.FillBytes(make([]byte, 16))
	slices.Reverse(tag)
	return tag
}

// openAEAD decrypts by ChaCha20Poly1305 with empty additional data.
func openAEAD(key, nonce, sealed []byte) ([]byte, error) {
	if len(sealed) < 16 {
		return nil, fmt.Errorf("HPKE: a ciphertext of %d bytes", len(sealed))
	}
	text, tag := sealed[:len(sealed)-16], sealed[len(sealed)-16:]
	padded := append(slices.Clone(text), make([]byte, (16-len(text)%16)%16)...)
	lengths := binary.LittleEndian.AppendUint64(make([]byte, 8), uint64(len(text)))
	if subtle.ConstantTimeCompare(tag, poly1305(chachaBlock(key, nonce, 0), append(padded, lengths...))) != 1 {
		return nil, fmt.Errorf("HPKE: the ciphertext is another's")
	}
	var plain []byte
	for i := 0; i < len(text); i += 64 {
		stream := chachaBlock(key, nonce, uint32(i/64+1))
		for j := i; j < min(i+64, len(text)); j++ {
			plain = append(plain, text[j]^stream[j-i])
		}
	}
	return plain, nil
}

// labelled is HKDF as HPKE uses it, within one suite.
type labelled string

func (suite labelled) extract(salt []byte, label, input string) []byte {
	out, err := hkdf.Extract(sha256.New, []byte("HPKE-v1"+string(suite)+label+input), salt)
	if err != nil {
		panic(err)
	}
	return out
}

func (suite labelled) expand(key []byte, label, info string, size int) []byte {
	out, err := hkdf.Expand(sha256.New, key, string([]byte{byte(size >> 8), byte(size)})+"HPKE-v1"+string(suite)+label+info, size)
	if err != nil {
		panic(err)
	}
	return out
}

// openHPKE decrypts the encapsulated key of 32 bytes and the ciphertext behind it.
func openHPKE(private []byte, info string, sent []byte) ([]byte, error) {
	if len(sent) < 32+16 {
		return nil, fmt.Errorf("HPKE: %d bytes", len(sent))
	}
	mine, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, err
	}
	theirs, err := ecdh.X25519().NewPublicKey(sent[:32])
	if err != nil {
		return nil, err
	}
	common, err := mine.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	kem, suite := labelled("KEM\x00\x20"), labelled("HPKE\x00\x20\x00\x01\x00\x03")
	shared := kem.expand(kem.extract(nil, "eae_prk", string(common)), "shared_secret", string(sent[:32])+string(mine.PublicKey().Bytes()), 32)
	context := "\x00" + string(suite.extract(nil, "psk_id_hash", "")) + string(suite.extract(nil, "info_hash", info))
	secret := suite.extract(shared, "secret", "")
	return openAEAD(suite.expand(secret, "key", context, 32), suite.expand(secret, "base_nonce", context, 12), sent[32:])
}
