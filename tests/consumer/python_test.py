"""examples/softmax.py on the CPU against numpy in double, and its errors: python_test.py PATH OF libsoftwarp.so"""
import sys
import unittest

import numpy as np

import softmax as example


class SoftmaxFromPython(unittest.TestCase):
    softwarp = example.Softwarp(sys.argv.pop())

    def setUp(self):
        self.x = np.random.default_rng(1).normal(0, 3, (7, 5, 33))

    def test_softmax(self):
        e = np.exp(self.x - self.x.max(axis=-1, keepdims=True))
        expected = e / e.sum(axis=-1, keepdims=True)
        for dtype, bound in (("float64", 1e-15), ("float32", 1e-6), ("float16", 0.01)):
            found = self.softwarp.softmax(self.x.astype(dtype))
            self.assertEqual((found.dtype, found.shape), (np.dtype(dtype), self.x.shape))
            np.testing.assert_allclose(found, expected, rtol=0, atol=bound)

    def test_softmax_of_a_transposed_array(self):
        np.testing.assert_array_equal(self.softwarp.softmax(self.x.T), self.softwarp.softmax(self.x.T.copy()))

    def test_backward(self):
        y = self.softwarp.softmax(self.x)
        dy = np.random.default_rng(2).normal(size=self.x.shape)
        expected = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
        np.testing.assert_allclose(self.softwarp.softmax_backward(y, dy), expected, rtol=0, atol=1e-14)
        with self.assertRaisesRegex(ValueError, r"expected dy of y's shape"):
            self.softwarp.softmax_backward(y, dy[0])

    def test_no_rows(self):
        self.assertEqual(self.softwarp.softmax(np.empty((0, 4))).shape, (0, 4))

    def test_errors(self):
        with self.assertRaisesRegex(ValueError, "expected an array of .*, found int64"):
            self.softwarp.softmax(np.arange(3))
        with self.assertRaisesRegex(example.SoftwarpError, "softwarp_softmax: expected device"):
            self.softwarp.softmax(self.x, device=7)


unittest.main()
