"""softwarp.MLPClassifier in scikit-learn's hands."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import softwarp


@parametrize_with_checks([softwarp.MLPClassifier()])
def test_passes_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)


def test_learns_digits(digits):
    x_train, x_test, y_train, y_test = digits
    classifier = softwarp.MLPClassifier(random_state=0).fit(x_train, y_train)
    assert classifier.score(x_test, y_test) > 0.96
    assert classifier.n_iter_ == len(classifier.loss_curve_) == 30


def test_in_a_pipeline_a_search_and_a_pickle(digits):
    x_train, x_test, y_train, _ = (part[:600] for part in digits)
    names = np.array([f"digit {label}" for label in y_train])
    pipeline = make_pipeline(StandardScaler(), softwarp.MLPClassifier(epochs=20, random_state=0))
    search = GridSearchCV(pipeline, {"mlpclassifier__hidden": [(), (32,)]}, cv=2).fit(x_train, names)
    assert search.best_score_ > 0.7
    assert set(search.predict(x_test)) <= set(names)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict_proba(x_test), search.predict_proba(x_test))


def test_warm_start_goes_on(digits):
    x, _, y, _ = digits
    classifier = softwarp.MLPClassifier(epochs=10, warm_start=True, random_state=0).fit(x, y)
    before = classifier.loss_curve_
    assert classifier.fit(x, y).loss_curve_[0] < before[0]
    with pytest.raises(ValueError, match="expected the classes of the last fit"):
        classifier.fit(x, y % 5)


def test_says_what_it_cannot_take():
    x = np.eye(4)
    with pytest.raises(ValueError, match="expected samples of at least 2 classes, found 1 class"):
        softwarp.MLPClassifier().fit(x, np.zeros(4))
    with pytest.raises(ValueError, match="expected epochs from 1"):
        softwarp.MLPClassifier(epochs=0).fit(x, [0, 1, 0, 1])
