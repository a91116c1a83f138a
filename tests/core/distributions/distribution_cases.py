"""Distributions to compare: name -> (make(D, parameters), parameters, values), for any library D."""

import numpy as np

_N = (np.array([0.3, -1.2, 2.0]), np.array([0.5, 1.0, 2.5]))
_POS = np.array([0.4, 1.3, 3.7])
_POS2 = np.array([0.7, 2.5, 5.0])
_P = np.array([0.2, 0.5, 0.9])
_LOGITS = np.array([-1.5, 0.1, 2.0])
_REAL = np.array([[-0.7, 0.0, 1.3], [0.2, 2.5, -3.0]])
_ABOVE = np.array([[0.2, 1.1, 4.0], [0.05, 3.0, 0.9]])
_UNIT = np.array([[0.1, 0.5, 0.93], [0.02, 0.77, 0.3]])
_COUNT = np.array([[0.0, 1.0, 3.0], [2.0, 5.0, 4.0]])
_ROWS = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
_SIMPLEX = np.array([[0.25, 0.35, 0.4], [0.1, 0.7, 0.2]])
_A = np.array([[[1.2, 0.0, 0.0], [0.3, 0.8, 0.0], [-0.4, 0.2, 1.5]]] * 2)
_COV = _A @ _A.swapaxes(-1, -2)
_VEC = np.array([[0.1, -0.5, 1.0], [2.0, 0.3, -1.0]])
_CORR = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]])

CASES = {
    "Normal": (lambda D, a, b: D.Normal(a, b), _N, _REAL),
    "Cauchy": (lambda D, a, b: D.Cauchy(a, b), _N, _REAL),
    "Laplace": (lambda D, a, b: D.Laplace(a, b), _N, _REAL),
    "Gumbel": (lambda D, a, b: D.Gumbel(a, b), _N, _REAL),
    "LogNormal": (lambda D, a, b: D.LogNormal(a, b), _N, _ABOVE),
    "HalfNormal": (lambda D, a: D.HalfNormal(a), (_POS,), _ABOVE),
    "HalfCauchy": (lambda D, a: D.HalfCauchy(a), (_POS,), _ABOVE),
    "Uniform": (lambda D, a, b: D.Uniform(a - 5, a + b), _N, _REAL * 0.3 - 1.5),
    "Exponential": (lambda D, a: D.Exponential(a), (_POS,), _ABOVE),
    "Gamma": (lambda D, a, b: D.Gamma(a, b), (_POS, _POS2), _ABOVE),
    "Chi2": (lambda D, a: D.Chi2(a), (_POS,), _ABOVE),
    "InverseGamma": (lambda D, a, b: D.InverseGamma(a, b), (_POS, _POS2), _ABOVE),
    "Beta": (lambda D, a, b: D.Beta(a, b), (_POS, _POS2), _UNIT),
    "Kumaraswamy": (lambda D, a, b: D.Kumaraswamy(a, b), (_POS, _POS2), _UNIT),
    "Dirichlet": (lambda D, a: D.Dirichlet(a), (_ROWS * 7,), _SIMPLEX),
    "Dirichlet flat": (lambda D, a: D.Dirichlet(a), (_ROWS,), _SIMPLEX),
    "FisherSnedecor": (lambda D, a, b: D.FisherSnedecor(a, b), (_POS + 1, _POS2), _ABOVE),
    "StudentT": (lambda D, d, a, b: D.StudentT(d, a, b), (_POS2, *_N), _REAL),
    "Weibull": (lambda D, a, b: D.Weibull(a, b), (_POS, _POS2 + 0.5), _ABOVE),
    "Pareto": (lambda D, a, b: D.Pareto(a, b), (_POS, _POS2), _ABOVE + 4.0),
    "GeneralizedPareto": (
        lambda D, a, b, c: D.GeneralizedPareto(a, b, c),
        (*_N, np.array([0.2, 0.6, -0.1])),
        _ABOVE + 2.0,
    ),
    "VonMises": (lambda D, a, b: D.VonMises(a, b), _N, _REAL),
    "Bernoulli": (lambda D, p: D.Bernoulli(p), (_P,), _COUNT.clip(0, 1)),
    "Bernoulli logits": (lambda D, p: D.Bernoulli(logits=p), (_LOGITS,), _COUNT.clip(0, 1)),
    "ContinuousBernoulli": (lambda D, p: D.ContinuousBernoulli(p), (_P,), _UNIT),
    "ContinuousBernoulli logits": (
        lambda D, p: D.ContinuousBernoulli(logits=p),
        (_LOGITS,),
        _UNIT,
    ),
    "Geometric": (lambda D, p: D.Geometric(p), (_P,), _COUNT),
    "Geometric logits": (lambda D, p: D.Geometric(logits=p), (_LOGITS,), _COUNT),
    "Binomial": (lambda D, p: D.Binomial(7, p), (_P,), _COUNT),
    "Binomial logits": (lambda D, p: D.Binomial(7, logits=p), (_LOGITS,), _COUNT),
    "NegativeBinomial": (lambda D, n, p: D.NegativeBinomial(n, p), (_POS2, _P), _COUNT),
    "NegativeBinomial logits": (
        lambda D, n, p: D.NegativeBinomial(n, logits=p),
        (_POS2, _LOGITS),
        _COUNT,
    ),
    "Poisson": (lambda D, a: D.Poisson(a), (_POS,), _COUNT),
    "Categorical": (lambda D, p: D.Categorical(p), (_ROWS * 3,), np.array([[0, 2], [1, 1]])),
    "Categorical logits": (
        lambda D, p: D.Categorical(logits=p),
        (_VEC,),
        np.array([[0, 2], [1, 1]]),
    ),
    "OneHotCategorical": (lambda D, p: D.OneHotCategorical(p), (_ROWS,), np.eye(3)[[0, 2]]),
    "OneHotCategorical logits": (
        lambda D, p: D.OneHotCategorical(logits=p),
        (_VEC,),
        np.eye(3)[[0, 2]],
    ),
    "Multinomial": (
        lambda D, p: D.Multinomial(6, p),
        (_ROWS,),
        np.array([[1.0, 2.0, 3.0], [6.0, 0.0, 0.0]]),
    ),
    "Multinomial logits": (
        lambda D, p: D.Multinomial(6, logits=p),
        (_VEC,),
        np.array([[1.0, 2.0, 3.0], [6.0, 0.0, 0.0]]),
    ),
    "RelaxedBernoulli": (lambda D, t, p: D.RelaxedBernoulli(t, p), (np.array(0.7), _P), _UNIT),
    "RelaxedOneHotCategorical": (
        lambda D, t, p: D.RelaxedOneHotCategorical(t, p),
        (np.array(0.7), _ROWS),
        _SIMPLEX,
    ),
    "LogisticNormal": (
        lambda D, a, b: D.LogisticNormal(a, b),
        (_VEC[:, :2], np.abs(_VEC[:, 1:]) + 0.3),
        _SIMPLEX,
    ),
    "MultivariateNormal": (lambda D, m, c: D.MultivariateNormal(m, c), (_VEC, _COV), _VEC + 0.3),
    "MultivariateNormal precision": (
        lambda D, m, c: D.MultivariateNormal(m, precision_matrix=c),
        (_VEC, _COV),
        _VEC + 0.3,
    ),
    "MultivariateNormal tril": (
        lambda D, m, c: D.MultivariateNormal(m, scale_tril=c),
        (_VEC, _A[0]),
        _VEC + 0.3,
    ),
    "LowRankMultivariateNormal": (
        lambda D, m, w, d: D.LowRankMultivariateNormal(m, w, d),
        (_VEC, _A[0][:, :2], _POS),
        _VEC - 0.4,
    ),
    "Wishart": (lambda D, n, c: D.Wishart(n, c), (np.array([3.5, 6.0]), _COV), _COV * 2.0),
    "Wishart tril": (
        lambda D, n, c: D.Wishart(n, scale_tril=c),
        (np.array([3.5, 6.0]), _A[0]),
        _COV * 2.0,
    ),
    "Wishart precision": (
        lambda D, n, c: D.Wishart(n, precision_matrix=c),
        (np.array([3.5, 6.0]), _COV),
        _COV * 2.0,
    ),
    "LKJCholesky": (lambda D, c: D.LKJCholesky(3, c), (np.array([0.6, 2.0]),), _CORR),
    "Independent": (lambda D, a, b: D.Independent(D.Normal(a, b), 1), _N, _REAL),
    "MixtureSameFamily": (
        lambda D, p, a, b: D.MixtureSameFamily(D.Categorical(p), D.Normal(a, b)),
        (np.array([0.2, 0.3, 0.5]), *_N),
        np.array([[0.3], [-2.0], [1.0], [5.0]]),
    ),
    "MixtureSameFamily vectors": (
        lambda D, p, m, c: D.MixtureSameFamily(D.Categorical(p), D.MultivariateNormal(m, c)),
        (np.array([0.4, 0.6]), _VEC, _COV),
        _VEC + 0.3,
    ),
    "TransformedDistribution": (
        lambda D, a, b: D.TransformedDistribution(
            D.Normal(a, b), [D.SigmoidTransform(), D.AffineTransform(1.0, -2.0)]
        ),
        _N,
        1 - 2 * _UNIT,
    ),
}
SCALAR = {  # with a distribution function; draws are compared with it
    "Normal", "Cauchy", "Laplace", "Gumbel", "LogNormal", "HalfNormal", "HalfCauchy", "Uniform",
    "Exponential", "Gamma", "Chi2", "Kumaraswamy", "Weibull", "Pareto", "GeneralizedPareto",
    "ContinuousBernoulli", "MixtureSameFamily", "TransformedDistribution",
}  # fmt: skip
