"""A classifier in scikit-learn's shape. Needs scikit-learn 1.6 or newer."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from softwarp._model import Model, train


class MLPClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A multilayer perceptron for scikit-learn: Pipeline, GridSearchCV and pickle take it.

    Parameters are those of softwarp.train, with defaults for tables; random_state is the seed. With warm_start, fit
    begins with the parameters of the last fit.

    After fit: classes_ [classes], n_features_in_, model_ (a softwarp.Model whose class i is classes_[i]), n_iter_ (the
    epochs), loss_curve_ (one loss an epoch).
    """

    classes_: Any
    model_: Model

    def __init__(self, hidden: Sequence[int] = (256,), *, activation: str = "relu", input_dropout: float = 0.0,
                 dropout: float = 0.2, label_smoothing: float = 0.0, optimizer: str = "adamw",
                 learning_rate: float = 3e-3, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0,
                 schedule: str = "one-cycle", max_norm: float = 0.0, ema_decay: float = 0.0, epochs: int = 30,
                 batch_size: int = 64, validation: float = 0.0, patience: int = 0, warm_start: bool = False,
                 random_state: Any = None, device: str = "cpu", threads: int = 1) -> None:
        self.hidden = hidden
        self.activation = activation
        self.input_dropout = input_dropout
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.max_norm = max_norm
        self.ema_decay = ema_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.threads = threads

    def fit(self, X: Any, y: Any) -> MLPClassifier:
        """Trains on X [samples, features] and the classes y [samples], of any type that numpy sorts."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"expected samples of at least 2 classes, found 1 class: {classes[0]!r}")
        settings = self.get_params(deep=False)
        again = settings.pop("warm_start") and hasattr(self, "model_")
        if again and not np.array_equal(classes, self.classes_):
            raise ValueError(f"expected the classes of the last fit for warm_start, {self.classes_}, found {classes}")
        seed = check_random_state(settings.pop("random_state")).randint(np.iinfo(np.int32).max)
        self.model_ = train(X, labels, seed=seed, classes=len(classes), weights=self.model_ if again else None,
                            **settings)
        self.classes_ = classes
        self.n_iter_ = len(self.model_.history)
        self.loss_curve_ = [epoch.loss for epoch in self.model_.history]
        return self

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, float32 [samples, classes], in the order of classes_."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return self.model_.predict_proba(X, self.device, self.threads)

    def predict(self, X: Any) -> Any:
        """The likeliest class of each sample, [samples]."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]
