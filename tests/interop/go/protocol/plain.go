package main

import (
	"encoding/hex"
	"math/big"
)

// plainOf returns a decoded value as the vectors write it: bytes and decimals as hex of their shortest form.
func plainOf(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, item := range v {
			out[name] = plainOf(item)
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, plainOf(item))
		}
		return out
	case []byte:
		return hex.EncodeToString(v)
	case *big.Int:
		return hex.EncodeToString(twos(v))
	}
	return value
}

// twos returns a number as two's complement, big-endian, in as few bytes as hold it.
func twos(n *big.Int) []byte {
	size := n.BitLen()/8 + 1
	if n.Sign() < 0 {
		size = new(big.Int).Add(n, big.NewInt(1)).BitLen()/8 + 1
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return n.FillBytes(make([]byte, size))
}
