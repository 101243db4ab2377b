"""Whatever a verb returns prints as the page of the command line."""

import importlib
import inspect as introspection
import pkgutil

import pytest

import addcat.verbs
from addcat.report.page import Heading, Page, Paragraph
from addcat.report.printed import Printed


def results():
    """Every class of the verbs that has a page."""
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(addcat.verbs.__path__, "addcat.verbs.")
    ]
    found = {one for module in modules for _, one in introspection.getmembers(module, introspection.isclass)}
    return sorted((one for one in found if hasattr(one, "page") and one.__module__.startswith("addcat.verbs")), key=str)


def test_the_verbs_results_are_found():
    names = {one.__name__ for one in results()}
    assert {"Advice", "Code", "Comparison", "Explanation", "Inspection", "Optimized", "Switched"} <= names


@pytest.mark.parametrize("result", results(), ids=lambda result: result.__name__)
def test_a_result_prints_as_its_page(result):
    assert issubclass(result, Printed)
    assert result.page is not Printed.page
    assert result.__str__ is Printed.__str__


def test_printed_and_in_a_notebook():
    class Told(Printed):
        def page(self):
            return Page.of(Heading("Merges"), Paragraph("One Add."))

    assert str(Told()) == "Merges\n\nOne Add."
    assert "One Add." in Told()._repr_html_()
